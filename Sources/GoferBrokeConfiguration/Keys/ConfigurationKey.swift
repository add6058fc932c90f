// SPDX-License-Identifier: Apache-2.0
// One row of the table of keys: everything that files, readers, the command line and the documentation need to know.

/// Which of the two documents a key belongs to.
public enum ConfigurationDocumentKind: String, Sendable, Hashable, CaseIterable {
    /// What all nodes share; it becomes state of the cluster.
    case cluster
    /// What only this node uses.
    case node
}

/// A key of one of the two documents.
public struct ConfigurationKey: Sendable, Hashable {
    /// When a new value counts.
    public enum Change: String, Sendable, Hashable {
        /// While the node runs.
        case live
        /// When the node, or for a cluster key the cluster, is started again.
        case restart
    }

    /// The path, for instance `Cluster.PhiThreshold`.
    public let path: String
    /// The document it stands in.
    public let document: ConfigurationDocumentKind
    /// Its type and range.
    public let type: ConfigurationValueType
    /// The default as text, as `value(forKey:)` would give it.
    public let defaultText: String
    /// When a new value counts.
    public let change: Change
    /// What it does, in one sentence without the final stop.
    public let meaning: String
    /// The key this is another name of, if it is one. Accepted in files and on the command line.
    public let aliasOf: String?

    /// Whether the key is accepted but means nothing here.
    public var isMeaningless: Bool { type == .ignored }

    /// Bounds that a node is set up with before it knows of any cluster.
    private static let boundsOfTheNode: Set<String> = ["Cluster.MaxNumberOfNodes", "Cluster.MaxConnections"]

    /// Whether the key is part of the replicated cluster configuration: name, seeds and what a node must know before it joins are
    /// each node's own.
    public var isReplicated: Bool {
        document == .cluster && path.hasPrefix("Cluster.") && !isMeaningless && aliasOf == nil
            && !ConfigurationKey.boundsOfTheNode.contains(path)
    }

    /// The key for a configuration reader: the path with the first letter of each part in lower case. The two keys that stand at
    /// the top of the cluster document get `cluster` before them, so that they never mean the node's own.
    public var readerPath: String {
        let path = document == .cluster && !path.contains(".") ? "Cluster.\(path)" : path
        return ConfigurationKey.readerPath(path)
    }

    /// The environment variable: the reader key in capitals, words parted by underscores, after `GOFERBROKE_`.
    public var environmentName: String {
        var name = "GOFERBROKE_"
        var previous: Character?
        for character in readerPath {
            if character.isUppercase, let previous, previous.isLowercase {
                name += "_"
            }
            name += character == "." ? "_" : character.uppercased()
            previous = character
        }
        return name
    }

    /// A path with the first letter of each part in lower case and nothing else changed.
    static func readerPath(_ path: String) -> String {
        path.split(separator: ".", omittingEmptySubsequences: false)
            .map { $0.prefix(1).lowercased() + $0.dropFirst() }
            .joined(separator: ".")
    }
}

/// The table of keys.
public enum ConfigurationKeys {
    /// Every key of the cluster document, in the order of the documentation.
    public static let cluster: [ConfigurationKey] = ClusterConfiguration.settings.map(\.key)
    /// Every key of the node document, in the order of the documentation.
    public static let node: [ConfigurationKey] = NodeConfiguration.settings.map(\.key)

    /// The keys of one document.
    public static func keys(of document: ConfigurationDocumentKind) -> [ConfigurationKey] {
        switch document {
        case .cluster: return cluster
        case .node: return node
        }
    }

    /// The key with exactly this path.
    public static func key(_ path: String, in document: ConfigurationDocumentKind) -> ConfigurationKey? {
        keys(of: document).first { $0.path == path }
    }

    /// The known path, of a key or of a block, that a mistyped one most likely meant; nil if nothing is near.
    ///
    /// The last part alone (`PhiThreshold`), other case and a few wrong letters are all near.
    public static func nearest(to path: String, in document: ConfigurationDocumentKind) -> String? {
        guard path.utf8.count <= ConfigurationLimits.standard.keySize else { return nil }
        let wanted = path.lowercased()
        var best: (path: String, distance: Int)?
        for path in keys(of: document).map(\.path) + self.blocks(of: document) {
            let known = path.lowercased()
            let name = known.split(separator: ".").last.map(String.init) ?? known
            let distance = min(editDistance(wanted, known), editDistance(wanted, name) + (wanted.contains(".") ? name.count : 0))
            if distance <= max(2, wanted.count / 3), best.map({ distance < $0.distance }) ?? true {
                best = (path, distance)
            }
        }
        return best?.path
    }

    /// The paths of the blocks that hold keys, each once.
    private static func blocks(of document: ConfigurationDocumentKind) -> [String] {
        let paths = keys(of: document).compactMap { key in key.path.lastIndex(of: ".").map { String(key.path[..<$0]) } }
        return Set(paths).sorted()
    }

    /// The error for a path that no table lists.
    static func unknown(_ path: String, in document: ConfigurationDocumentKind, at position: SourcePosition?) -> ConfigurationError {
        let other: ConfigurationDocumentKind = document == .cluster ? .node : .cluster
        var hint: String?
        if keys(of: other).contains(where: { $0.path == path || $0.path.hasPrefix(path + ".") }) {
            hint = "it belongs to the \(other.rawValue) document"
        } else if let nearest = nearest(to: path, in: document) {
            hint = "did you mean \(nearest)?"
        }
        return ConfigurationError(
            .unknownKey,
            at: position,
            expected: "a key of the \(document.rawValue) document",
            found: "unknown key \(path.quotedForError)",
            hint: hint
        )
    }
}

/// How many insertions, removals, replacements and swaps of neighbours turn one text into the other.
func editDistance(_ first: String, _ second: String) -> Int {
    let a = Array(first.unicodeScalars)
    let b = Array(second.unicodeScalars)
    var beforePrevious: [Int] = []
    var previous = Array(0...b.count)
    for i in 0..<a.count {
        var row = [i + 1]
        row.reserveCapacity(b.count + 1)
        for j in 0..<b.count {
            var cost = min(previous[j + 1] + 1, row[j] + 1, previous[j] + (a[i] == b[j] ? 0 : 1))
            if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
                cost = min(cost, beforePrevious[j - 1] + 1)
            }
            row.append(cost)
        }
        beforePrevious = previous
        previous = row
    }
    return previous[b.count]
}
