// SPDX-License-Identifier: Apache-2.0
// The one error of this module: what kind, what was attempted, why it failed.

/// Why an operation of a node failed.
///
/// `description` is one line fit for a log: `set limits:max of 4194305 bytes: the value exceeds its size limit`.
/// Programs look at ``code``; nothing ever parses the text.
public struct GoferBrokeError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What kind of failure this is. An open set: more may be added, so a `switch` over codes needs a `default`.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        /// A short name from a bounded set, fit for a metric label or JSON.
        public let description: String

        init(_ description: String) {
            self.description = description
        }
    }

    /// What kind of failure this is.
    public var code: Code
    /// What was attempted, with the address or key it was about.
    public var operation: String
    /// Why it failed, as a fragment that follows the operation.
    public var reason: String
    /// The system's error number behind it (negative, as libuv gives it), where there is one.
    public var systemCode: Int32?

    /// Makes an error.
    public init(code: Code, operation: String, reason: String, systemCode: Int32? = nil) {
        self.code = code
        self.operation = operation
        self.reason = reason
        self.systemCode = systemCode
    }

    /// One line: operation and reason.
    public var description: String {
        let line = self.operation.isEmpty ? self.reason : "\(self.operation): \(self.reason)"
        guard line.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else { return line }
        return String(String.UnicodeScalarView(line.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
    }
}

extension GoferBrokeError.Code {
    /// An argument that can't be right, such as a negative time.
    public static let invalidArgument = Self("invalid-argument")
    /// Something that only one may use is in use: a data directory, a client socket on which a live node answers.
    public static let busy = Self("busy")
    /// The node has stopped: it left, was shut down, rejected or replaced.
    public static let closed = Self("closed")
    /// The task was cancelled.
    public static let cancelled = Self("cancelled")
    /// A name that is not 1 to 255 bytes without control characters.
    public static let invalidName = Self("invalid-name")
    /// A key group that is empty, too long or reserved.
    public static let groupSize = Self("group-size")
    /// A key over the size limit.
    public static let keySize = Self("key-size")
    /// A value over the size limit.
    public static let valueSize = Self("value-size")
    /// One key too many for a participant.
    public static let tooManyKeys = Self("too-many-keys")
    /// One participant too many for the cluster map.
    public static let tooManyParticipants = Self("too-many-participants")
    /// Bytes that are no value of their type.
    public static let wrongType = Self("wrong-type")
    /// No such key.
    public static let notFound = Self("not-found")
    /// A bounded queue is full.
    public static let queueFull = Self("queue-full")
    /// The peer sent what this protocol does not allow.
    public static let protocolViolation = Self("protocol")
    /// No common protocol version.
    public static let versionMismatch = Self("version-mismatch")
    /// More bytes than a frame may have.
    public static let tooBig = Self("too-big")
    /// No answer in time.
    public static let timedOut = Self("timed-out")
    /// No member has that name.
    public static let unknownNode = Self("unknown-node")
    /// The cluster that answered has another name.
    public static let clusterMismatch = Self("cluster-mismatch")
    /// A live node of the cluster has this name already.
    public static let nameInUse = Self("name-in-use")
    /// The generation is not newer than the one the cluster remembers.
    public static let generationOutdated = Self("generation-outdated")
    /// A limit of the node that answered is reached.
    public static let peerFull = Self("peer-full")
    /// The node that answered does not serve this role.
    public static let roleRefused = Self("role-refused")
    /// A later life of this node has taken over: don't restart this one.
    public static let replaced = Self("replaced")
    /// Input or output failed.
    public static let inputOutput = Self("input-output")
    /// The port is in use.
    public static let addressInUse = Self("address-in-use")
    /// Nobody listens there.
    public static let connectionRefused = Self("connection-refused")
    /// The connection broke.
    public static let connectionLost = Self("connection-lost")
    /// There is no way to the host.
    public static let unreachable = Self("unreachable")
    /// The host's name can't be resolved.
    public static let unknownHost = Self("unknown-host")
    /// Permission was denied.
    public static let permissionDenied = Self("permission-denied")
    /// The data directory is damaged or can't be used.
    public static let dataDirectory = Self("data-directory")
    /// TLS failed.
    public static let tls = Self("tls")
    /// There is no memory left.
    public static let outOfMemory = Self("out-of-memory")
    /// An invariant is broken: a fault of this library.
    public static let broken = Self("broken")
    /// A configuration value is wrong; the reason names the key.
    public static let configuration = Self("configuration")
    /// A value could not be encoded.
    public static let encoding = Self("encoding")
}
