// SPDX-License-Identifier: Apache-2.0
// The cluster configuration between the config lanes and the node.
//
// Happy path: the node joins -> the cluster's config lanes arrive -> the configuration is settled: the cluster's replaces the
// file's, differences are told once -> changes made anywhere arrive as deltas and are applied. A node that finds no cluster
// settles at once with what its file says.

package import GoferBrokeConfiguration

/// The cluster configuration between the config lanes and the node. A value: told of deltas and members, it answers with
/// what to publish and what changed.
package struct ClusterState: Sendable {
    /// The key group of the config lane.
    package static let group: DeltaLabel = "config"
    /// In microseconds. A joiner that heard of no entry by then is part of a cluster that has none.
    static let silenceTime: UInt64 = 1_000_000
    /// By then the entries have come, if the first has: config lanes are told right after membership.
    static let arrivalTime: UInt64 = 200_000
    /// After settling, until differences to the file are told.
    static let differenceTime: UInt64 = 2_000_000

    /// What has to be done outside.
    package struct Outcome: Sendable {
        package var events: [ConfigurationEvent] = []
        package var publish: [ConfigurationPublication] = []
        package var withdraw: [String] = []
        /// Keys that the file has otherwise than the cluster.
        package var differences: [ConfigurationDifference] = []
        package var isNewlySettled = false
    }

    package private(set) var replicated: ReplicatedConfiguration
    private let file: ParsedConfiguration<ClusterConfiguration>
    private let name: String
    private var joinedAt: UInt64?
    package private(set) var isSettled = false
    private var isDutyDue = false
    private var differencesDueAt: UInt64?

    package var configuration: ClusterConfiguration { self.replicated.configuration }

    package init(name: String, file: ParsedConfiguration<ClusterConfiguration>, own: [Delta]) {
        self.name = name
        self.file = file
        self.replicated = ReplicatedConfiguration(selfName: name, file: file)
        for delta in own {
            _ = self.merge(delta)
        }
    }

    /// The node is part of a cluster of so many members, self included.
    package mutating func joined(memberCount: Int, time: UInt64) -> Outcome {
        guard !self.isSettled else { return Outcome() }
        if memberCount > 1 {
            self.joinedAt = time
            return Outcome()
        }
        self.isSettled = true
        let (publish, events) = self.replicated.foundNoCluster()
        return Outcome(events: events, publish: publish, isNewlySettled: true)
    }

    /// Each tick: settles a joiner to whom the cluster's entries have come, or that heard of none for long enough.
    package mutating func settleIfDue(time: UInt64) -> Outcome {
        guard !self.isSettled, let joinedAt else { return Outcome() }
        let pause = self.replicated.entries.isEmpty ? Self.silenceTime : Self.arrivalTime
        return time >= joinedAt + pause ? self.settle(time: time) : Outcome()
    }

    private mutating func settle(time: UInt64) -> Outcome {
        self.isSettled = true
        self.isDutyDue = true
        // Entries may still be under way; what differs is told when they have had their time.
        self.differencesDueAt = time + Self.differenceTime
        return Outcome(events: self.replicated.foundCluster(), isNewlySettled: true)
    }

    /// A delta of a config lane.
    package mutating func handle(_ news: DeltaNews) -> Outcome {
        guard news.group == Self.group, NodeName(news.participant) != NodeName(self.name) else { return Outcome() }
        self.isDutyDue = true
        guard let delta = news.delta else {
            if let key = news.key.string {
                self.replicated.withdrawn(publisher: news.participant, key: key)
            }
            return Outcome()
        }
        return Outcome(events: self.merge(delta))
    }

    /// All config deltas of a participant that came back, or after events were lost.
    package mutating func handle(_ deltas: [Delta]) -> Outcome {
        self.isDutyDue = true
        var outcome = Outcome()
        for delta in deltas where delta.group == Self.group && NodeName(delta.participant) != NodeName(self.name) {
            outcome.events += self.merge(delta)
        }
        return outcome
    }

    private mutating func merge(_ delta: Delta) -> [ConfigurationEvent] {
        guard delta.group == Self.group else { return [] }
        guard let key = delta.key.string else {
            return [.refused(key: delta.key.description, publisher: delta.participant, reason: "the key is not UTF-8")]
        }
        return self.replicated.merge(publisher: delta.participant, encoded: [(key: key, bytes: delta.bytes)])
    }

    /// A participant is dead, left, or in a later life.
    package mutating func departed(_ participant: String) {
        self.isDutyDue = true
        self.replicated.forget(publisher: participant)
    }

    /// Someone new may be the first by name.
    package mutating func membersChanged() {
        self.isDutyDue = true
    }

    /// Once a second: tells differences when it is time, and does this node's duty.
    package mutating func tick(time: UInt64, liveMembers: () -> [String]) -> Outcome {
        var outcome = Outcome()
        guard self.isSettled else { return outcome }
        if let due = self.differencesDueAt, time >= due {
            self.differencesDueAt = nil
            let given = Set(self.file.givenKeys)
            outcome.differences = self.file.configuration.differences(from: self.configuration).filter {
                $0.key.isReplicated && given.contains($0.key.path)
            }
        }
        if self.isDutyDue {
            let duty = self.replicated.duty(liveMembers: liveMembers())
            // Who is not the first by name waits for some rounds: each is counted here.
            self.isDutyDue = self.replicated.hasUnpublished
            outcome.publish = duty.publish
            outcome.withdraw = duty.withdraw
        }
        return outcome
    }

    /// A change made here.
    package mutating func change(_ key: String, to text: String) throws(ConfigurationError) -> Outcome {
        let (publication, events) = try self.replicated.change(key, to: text)
        return Outcome(events: events, publish: [publication])
    }
}
