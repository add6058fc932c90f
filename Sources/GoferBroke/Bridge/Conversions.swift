// SPDX-License-Identifier: Apache-2.0
// Bytes, text and errors between C and Swift. Everything that comes from C is copied.

internal import CGoferBroke
internal import GoferBrokeConfiguration

extension gb_slice {
    /// A copy of the bytes.
    var bytes: [UInt8] {
        guard let base, len > 0 else { return [] }
        return Array(UnsafeBufferPointer(start: base, count: len))
    }

    /// A copy as text. Names are UTF-8 by contract; what is not is repaired, never trusted.
    var text: String {
        guard let base, len > 0 else { return "" }
        return String(decoding: UnsafeBufferPointer(start: base, count: len), as: UTF8.self)
    }
}

/// Calls `body` with a slice of the bytes, lent for the call.
func withSlice<Result>(
    _ bytes: [UInt8],
    _ body: (gb_slice) throws(GoferBrokeError) -> Result
) throws(GoferBrokeError) -> Result {
    // The closure that the standard library calls can't throw a typed error through it on every platform, so the outcome is
    // carried out as a value.
    let outcome: Swift.Result<Result, GoferBrokeError> = bytes.withUnsafeBufferPointer { buffer in
        do throws(GoferBrokeError) {
            return .success(try body(gb_slice(base: buffer.baseAddress, len: buffer.count)))
        } catch {
            return .failure(error)
        }
    }
    return try outcome.get()
}

extension String {
    var slice: [UInt8] { Array(self.utf8) }
}

extension Endpoint {
    /// Nil where there is no host.
    init?(host: gb_slice, port: UInt16) {
        guard host.len > 0 else { return nil }
        self.init(host: host.text, port: port)
    }
}

extension Duration {
    /// Whole microseconds, clamped to what C takes.
    var clampedMicroseconds: UInt64 {
        UInt64(clamping: Quantity.microseconds(self))
    }

    /// Whole milliseconds, rounded up, clamped to what C takes.
    var clampedMilliseconds: UInt64 {
        let micros = self.clampedMicroseconds
        return micros / 1_000 + (micros % 1_000 == 0 ? 0 : 1)
    }
}

/// NUL-terminated copies of strings for the duration of one call of C.
final class CStringPool {
    private var copies: [UnsafeMutablePointer<CChar>] = []

    /// Lent as long as the pool lives. Throws where the text holds a NUL, which C would take for its end.
    func copy(_ text: String, of what: String) throws(GoferBrokeError) -> UnsafePointer<CChar> {
        guard !text.utf8.contains(0) else {
            throw GoferBrokeError(code: .invalidArgument, operation: what, reason: "the text holds a NUL byte")
        }
        let bytes = text.utf8CString
        let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
        for (index, byte) in bytes.enumerated() {
            (copy + index).initialize(to: byte)
        }
        self.copies.append(copy)
        return UnsafePointer(copy)
    }

    func endpoints(_ list: [Endpoint], of what: String) throws(GoferBrokeError) -> [gb_endpoint] {
        var result: [gb_endpoint] = []
        for endpoint in list {
            result.append(gb_endpoint(host: try self.copy(endpoint.host, of: what), port: endpoint.port))
        }
        return result
    }

    deinit {
        for copy in self.copies {
            copy.deallocate()
        }
    }
}

// MARK: Errors

extension GoferBrokeError {
    /// Throws where `err` is an error. `operation` is only made then.
    static func check(_ err: gb_err, _ operation: @autoclosure () -> String) throws(GoferBrokeError) {
        guard err != GB_OK else { return }
        throw GoferBrokeError(err, operation: operation())
    }

    /// As ``check(_:_:)``, with the sentence that C gave.
    static func check(_ err: gb_err, _ info: gb_err_info, _ operation: @autoclosure () -> String) throws(GoferBrokeError) {
        guard err != GB_OK else { return }
        var error = GoferBrokeError(err, operation: operation())
        let text = withUnsafeBytes(of: info.text) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        if !text.isEmpty {
            error.reason = text
        }
        if info.system_code != 0 {
            error.systemCode = info.system_code
        }
        throw error
    }

    init(_ err: gb_err, operation: String, reason: String = "") {
        self.init(
            code: Code(err),
            operation: operation,
            reason: reason.isEmpty ? String(cString: gb_strerror(Int32(err.rawValue))) : reason
        )
    }

    /// From a code that came in an event.
    init(code: Int32, operation: String, reason: String) {
        self.init(gb_err(rawValue: gb_err.RawValue(code)), operation: operation, reason: reason)
    }

    static func closed(_ operation: String) -> GoferBrokeError {
        GoferBrokeError(GB_ECLOSED, operation: operation, reason: "the node has stopped")
    }
}

extension GoferBrokeError.Code {
    init(_ err: gb_err) {
        self = Self.codes[err.rawValue] ?? Self(String(cString: gb_err_name(Int32(err.rawValue))))
    }

    private static let codes: [gb_err.RawValue: Self] = [
        GB_EINVAL.rawValue: .invalidArgument,
        GB_EBUSY.rawValue: .busy,
        GB_ECLOSED.rawValue: .closed,
        GB_ENAME.rawValue: .invalidName,
        GB_EGROUP.rawValue: .groupSize,
        GB_EKEY_SIZE.rawValue: .keySize,
        GB_EVALUE_SIZE.rawValue: .valueSize,
        GB_EKEYS.rawValue: .tooManyKeys,
        GB_EPARTICIPANTS.rawValue: .tooManyParticipants,
        GB_ETYPE.rawValue: .wrongType,
        GB_ENOTFOUND.rawValue: .notFound,
        GB_EFULL.rawValue: .queueFull,
        GB_EMAGIC.rawValue: .protocolViolation,
        GB_EVERSION.rawValue: .versionMismatch,
        GB_ETYPE_UNKNOWN.rawValue: .protocolViolation,
        GB_ETOOBIG.rawValue: .tooBig,
        GB_ECHECKSUM.rawValue: .protocolViolation,
        GB_EMALFORMED.rawValue: .protocolViolation,
        GB_EUNEXPECTED.rawValue: .protocolViolation,
        GB_ETIMEDOUT.rawValue: .timedOut,
        GB_EUNKNOWN_NODE.rawValue: .unknownNode,
        GB_EREJECTED_CLUSTER.rawValue: .clusterMismatch,
        GB_EREJECTED_NAME_IN_USE.rawValue: .nameInUse,
        GB_EREJECTED_GENERATION.rawValue: .generationOutdated,
        GB_EREJECTED_VERSION.rawValue: .versionMismatch,
        GB_EREJECTED_FULL.rawValue: .peerFull,
        GB_EREJECTED_ROLE.rawValue: .roleRefused,
        GB_EREPLACED.rawValue: .replaced,
        GB_EIO.rawValue: .inputOutput,
        GB_EADDRINUSE.rawValue: .addressInUse,
        GB_ECONNREFUSED.rawValue: .connectionRefused,
        GB_ECONNRESET.rawValue: .connectionLost,
        GB_EUNREACHABLE.rawValue: .unreachable,
        GB_EHOST.rawValue: .unknownHost,
        GB_EOF.rawValue: .connectionLost,
        GB_EACCES.rawValue: .permissionDenied,
        GB_EPIPE.rawValue: .connectionLost,
        GB_ESTORE.rawValue: .dataDirectory,
        GB_ETLS.rawValue: .tls,
        GB_ENOMEM.rawValue: .outOfMemory,
        GB_EBROKEN.rawValue: .broken,
    ]
}
