// SPDX-License-Identifier: Apache-2.0
// The cluster configuration as state of the cluster: a pure value, told of entries and members, that answers what to publish.
//
// Every participant publishes the entries it wrote, or republishes for others, in its own config lane. A node merges all lanes;
// per key the greatest (stamp, writer) wins, in whatever order they arrive. So all nodes that know the same entries have the
// same configuration. What may go wrong: an entry that can't be decoded, that is for a key or value unknown here, or that
// exceeds a bound is refused and told as an event; it never becomes part of the configuration.

/// What happened to the cluster configuration.
public enum ConfigurationEvent: Sendable, Hashable {
    /// A key has another value now.
    case changed(ConfigurationChange)
    /// A change lost against one made at the same time elsewhere. `lost` never was, or no longer is, the value.
    case superseded(key: String, lost: StampedValue, by: StampedValue)
    /// An entry was not taken over: malformed, unknown key, wrong value, too many.
    case refused(key: String, publisher: String, reason: String)
}

/// A key whose effective value changed.
public struct ConfigurationChange: Sendable, Hashable {
    /// The key.
    public var key: String
    /// The value before, as canonical text.
    public var oldText: String
    /// The value now, as canonical text.
    public var newText: String
    /// The change that won; nil when the value went back to the default.
    public var stamp: ConfigurationStamp?
    /// Whether the key can change while the cluster runs; else it has changed because the node took the cluster's value over.
    public var isLive: Bool

    /// Creates a change.
    public init(key: String, oldText: String, newText: String, stamp: ConfigurationStamp?, isLive: Bool) {
        self.key = key
        self.oldText = oldText
        self.newText = newText
        self.stamp = stamp
        self.isLive = isLive
    }
}

/// An entry that this node must put into its config lane.
public struct ConfigurationPublication: Sendable, Hashable {
    /// The key, which is also the key of the delta.
    public var key: String
    /// What is published; encoded, it is the value of the delta.
    public var value: StampedValue

    /// Creates a publication.
    public init(key: String, value: StampedValue) {
        self.key = key
        self.value = value
    }
}

/// What a node owes the cluster so that winning entries stay known.
public struct ConfigurationDuty: Sendable, Hashable {
    /// To be put into the own config lane, replacing what is there for the key.
    public var publish: [ConfigurationPublication] = []
    /// Keys whose entry in the own lane was overtaken and is published by somebody else: to be deleted from the own lane.
    public var withdraw: [String] = []

    /// Nothing to do.
    public init() {}

    /// Whether there is nothing to do.
    public var isEmpty: Bool { publish.isEmpty && withdraw.isEmpty }
}

/// The cluster configuration as state of the cluster.
///
/// It keeps what each publisher has in its lane until ``withdrawn(publisher:key:)`` or ``forget(publisher:)``; its size is bounded
/// by the members of the cluster and by ``keyCountMax``.
public struct ReplicatedConfiguration: Sendable {
    /// The most keys that entries are kept for, those of newer versions included.
    public static let keyCountMax = 1_024

    /// The name of this node.
    public let selfName: String
    /// The configuration in force.
    public private(set) var configuration: ClusterConfiguration
    /// What the file gave, by key.
    private let fileTexts: [String: String]
    /// What is each node's own and never replicated, name and seeds for instance; the rest as by default.
    private let base: ClusterConfiguration
    private var isFromFile = true
    private var winners: [String: StampedValue] = [:]
    /// What each participant has in its config lane. Publishers are bytes, for the reason given at ``ConfigurationStamp``.
    private var published: [String: [[UInt8]: StampedValue]] = [:]
    private var stampSeen: UInt64 = 0
    /// For how many rounds a winning entry has been without a live publisher.
    private var unpublishedRounds: [String: Int] = [:]
    /// Whether this node waits for another to publish a winning entry: then its duty is due again in the next round.
    public var hasUnpublished: Bool { !unpublishedRounds.isEmpty }
    /// The most rounds that a member waits for those before it. Two that publish the same entry do no harm.
    private static let patienceMax = 30

    /// Starts with the configuration of a file, which is in force until it is known whether there is a cluster.
    ///
    /// Then exactly one of ``foundCluster()`` and ``foundNoCluster()`` is to be called.
    public init(selfName: String, file: ParsedConfiguration<ClusterConfiguration>) {
        self.selfName = selfName
        self.configuration = file.configuration
        var base = ClusterConfiguration()
        for setting in ClusterConfiguration.settings where !setting.key.isReplicated && setting.key.aliasOf == nil {
            setting.write(&base, setting.read(file.configuration))
        }
        self.base = base
        var texts: [String: String] = [:]
        for entry in file.configuration.entries where entry.key.isReplicated && file.givenKeys.contains(entry.key.path) {
            texts[entry.key.path] = entry.text
        }
        self.fileTexts = texts
    }

    /// The winning entry of every key that has one.
    public var entries: [String: StampedValue] { winners }

    /// The greatest stamp seen for any key.
    public var greatestStamp: UInt64 { stampSeen }

    // MARK: Finding the cluster

    /// There is no cluster to join: the values of the file begin the cluster's configuration, with stamp 0.
    ///
    /// - Returns: What to publish. Entries merged before, for instance from the own lane of an earlier life, stay and win.
    public mutating func foundNoCluster() -> (publish: [ConfigurationPublication], events: [ConfigurationEvent]) {
        guard isFromFile else { return ([], []) }
        isFromFile = false
        var publications: [ConfigurationPublication] = []
        for (key, text) in fileTexts.sorted(by: { $0.key < $1.key }) where winners[key] == nil {
            let value = StampedValue(stamp: ConfigurationStamp(number: 0, writer: selfName), text: text)
            winners[key] = value
            published[key, default: [:]][Array(selfName.utf8)] = value
            publications.append(ConfigurationPublication(key: key, value: value))
        }
        return (publications, recompute())
    }

    /// There is a cluster, and its config lanes were merged: its configuration replaces that of the file.
    ///
    /// Keys for which the cluster has no entry take their default, as on every other node.
    public mutating func foundCluster() -> [ConfigurationEvent] {
        guard isFromFile else { return [] }
        isFromFile = false
        return recompute()
    }

    // MARK: Entries

    /// Takes over what a participant has in its config lane, given as the bytes of its deltas.
    public mutating func merge(publisher: String, encoded: [(key: String, bytes: [UInt8])]) -> [ConfigurationEvent] {
        var events: [ConfigurationEvent] = []
        for (key, bytes) in encoded {
            do throws(ConfigurationError) {
                events += merge(publisher: publisher, key: key, value: try StampedValue(decoding: bytes))
            } catch {
                events.append(.refused(key: key, publisher: publisher, reason: error.description))
            }
        }
        return events
    }

    /// Takes over one entry of a participant's config lane.
    public mutating func merge(publisher: String, key: String, value: StampedValue) -> [ConfigurationEvent] {
        if let reason = refusal(of: key, value: value) {
            return [.refused(key: key, publisher: publisher, reason: reason)]
        }
        stampSeen = max(stampSeen, value.stamp.number)
        let isKnown = published[key]?.values.contains(value) ?? false
        published[key, default: [:]][Array(publisher.utf8)] = value
        guard let winner = winners[key] else {
            winners[key] = value
            return apply(key)
        }
        let isConcurrent = winner.stamp.number == value.stamp.number && winner != value && value.stamp.number > 0
        if value.wins(over: winner) {
            winners[key] = value
            return (isConcurrent ? [.superseded(key: key, lost: winner, by: value)] : []) + apply(key)
        }
        return isConcurrent && !isKnown ? [.superseded(key: key, lost: value, by: winner)] : []
    }

    /// Why an entry is not taken over; nil if it is. Keys of newer versions are kept and passed on, but not applied.
    private func refusal(of key: String, value: StampedValue) -> String? {
        // Printable ASCII alone, so that comparing keys as strings is comparing their bytes.
        guard (1...ConfigurationLimits.standard.keySize).contains(key.utf8.count), key.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else {
            return "the key is not a path of at most \(ConfigurationLimits.standard.keySize) printable ASCII characters"
        }
        guard winners[key] != nil || winners.count < ReplicatedConfiguration.keyCountMax else {
            return "there are \(ReplicatedConfiguration.keyCountMax) keys already"
        }
        guard let row = ConfigurationKeys.key(key, in: .cluster) else { return nil }
        guard row.isReplicated else { return "\(key) is not part of the cluster's state" }
        do {
            _ = try configuration.setting(key: key, to: value.text, isRunning: false)
            return nil
        } catch {
            return error.description
        }
    }

    /// A participant took an entry back (its delta was deleted). The value stays in force; somebody may have to republish it.
    public mutating func withdrawn(publisher: String, key: String) {
        published[key]?[Array(publisher.utf8)] = nil
    }

    /// A participant died, left, or came back with an empty lane: what it published is no longer published by it.
    public mutating func forget(publisher: String) {
        for key in published.keys {
            published[key]?[Array(publisher.utf8)] = nil
        }
    }

    // MARK: Changes made here

    /// Changes a key for the whole cluster.
    ///
    /// - Returns: What to publish at once, and what changed here.
    /// - Throws: For an unknown key, a wrong value, a key that can't change at run time, and before it is known whether there
    ///   is a cluster.
    public mutating func change(
        _ key: String,
        to text: String
    ) throws(ConfigurationError) -> (publish: ConfigurationPublication, events: [ConfigurationEvent]) {
        let setting = try ClusterConfiguration.meaningfulSetting(key)
        let path = setting.key.aliasOf ?? key
        let canonical = try configuration.setting(key: key, to: text).value(forKey: path)
        guard ConfigurationKeys.key(path, in: .cluster)?.isReplicated == true else {
            throw ConfigurationError(
                .fixedKey,
                key: path,
                expected: "a key that all nodes share",
                found: "one that each node has from its own file",
                hint: "`gofer node` reads it again on SIGHUP"
            )
        }
        guard !isFromFile else {
            throw ConfigurationError(.fixedKey, key: path, expected: "a node that is part of a cluster", found: "one that is still joining")
        }
        guard stampSeen < ConfigurationStamp.numberMax else {
            throw ConfigurationError(.limit, key: path, expected: "stamps below \(ConfigurationStamp.numberMax)", found: "all used up")
        }
        stampSeen += 1
        let value = StampedValue(stamp: ConfigurationStamp(number: stampSeen, writer: selfName), text: canonical)
        winners[path] = value
        published[path, default: [:]][Array(selfName.utf8)] = value
        return (ConfigurationPublication(key: path, value: value), apply(path))
    }

    // MARK: Keeping entries known

    /// What this node has to publish or withdraw now that these members are alive (this node among them). To be called once a
    /// round.
    ///
    /// A winning entry that no live member publishes is republished, unchanged, by the first live member by name. It may be that
    /// the first never heard of the entry: then the second by name republishes it a round later, and so on, so that an entry
    /// which any live member knows does not stay a secret. The answer counts as done.
    public mutating func duty(liveMembers: some Sequence<String>) -> ConfigurationDuty {
        var duty = ConfigurationDuty()
        guard !isFromFile else { return duty }
        let live = Set(liveMembers.map { Array($0.utf8) })
        let me = Array(selfName.utf8)
        let rank = live.count { $0.lexicographicallyPrecedes(me) }
        let patience = min(rank, ReplicatedConfiguration.patienceMax)
        var stillUnpublished: [String: Int] = [:]
        for (key, winner) in winners.sorted(by: { $0.key.isLessByBytes(than: $1.key) }) {
            let isPublished = published[key]?.contains { $0.value == winner && (live.contains($0.key) || $0.key == me) } ?? false
            if isPublished {
                if let own = published[key]?[me], own != winner {
                    published[key]?[me] = nil
                    duty.withdraw.append(key)
                }
                continue
            }
            let rounds = unpublishedRounds[key] ?? 0
            if rounds < patience {
                stillUnpublished[key] = rounds + 1
            } else {
                published[key, default: [:]][me] = winner
                duty.publish.append(ConfigurationPublication(key: key, value: winner))
            }
        }
        unpublishedRounds = stillUnpublished
        return duty
    }

    // MARK: From entries to values

    /// Puts the winner of one key into force; the other keys are as their winners say already.
    private mutating func apply(_ key: String) -> [ConfigurationEvent] {
        guard !isFromFile else { return [] }
        return adopt(ReplicatedConfiguration.setting(winners[key], forKey: key, in: configuration))
    }

    /// Puts all winners into force: defaults under the winning entries.
    private mutating func recompute() -> [ConfigurationEvent] {
        // One after the other by key: a value that the others don't go with is passed over, and the order says which that is.
        adopt(
            winners.sorted { $0.key.isLessByBytes(than: $1.key) }
                .reduce(base) { ReplicatedConfiguration.setting($1.value, forKey: $1.key, in: $0) }
        )
    }

    /// Every known key was checked when its entry was merged; keys of newer versions change nothing here.
    private static func setting(_ value: StampedValue?, forKey key: String, in configuration: ClusterConfiguration) -> ClusterConfiguration
    {
        guard let value, let next = try? configuration.setting(key: key, to: value.text, isRunning: false) else { return configuration }
        return next
    }

    private mutating func adopt(_ next: ClusterConfiguration) -> [ConfigurationEvent] {
        let old = configuration
        configuration = next
        return old.differences(from: next).map { difference in
            .changed(
                ConfigurationChange(
                    key: difference.key.path,
                    oldText: difference.text,
                    newText: difference.otherText,
                    stamp: winners[difference.key.path]?.stamp,
                    isLive: difference.key.change == .live
                )
            )
        }
    }
}

extension [ConfigurationEvent] {
    /// The keys that have another value now.
    public var changedKeys: [String] {
        compactMap {
            guard case .changed(let change) = $0 else { return nil }
            return change.key
        }
    }

    /// The keys among them that a running node can apply.
    public var liveKeys: [String] {
        compactMap {
            guard case .changed(let change) = $0, change.isLive else { return nil }
            return change.key
        }
    }
}
