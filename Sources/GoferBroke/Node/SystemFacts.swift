// SPDX-License-Identifier: Apache-2.0
// What a node tells of its machine, coarse and rare.

internal import GoferBrokeConfiguration

/// What a node tells of its machine: at the start, and what changed at most once in the larger of `SystemFactsInterval` and half
/// a second for each member, so that facts don't make idle cost grow with the cluster.
struct SystemFacts: Sendable {
    static let group: DeltaLabel = "system"

    /// Why applications can't change what stands in the group.
    static func reserved(_ operation: String) -> GoferBrokeError {
        let reason = "the key group \(self.group) is reserved: the facts of each node's machine are told under it"
        return GoferBrokeError(code: .groupSize, operation: operation, reason: reason)
    }

    struct Fact: Sendable, Hashable {
        var type: DeltaValueType
        var bytes: [UInt8]

        init<Value: DeltaValue>(_ value: Value) {
            self.type = Value.deltaValueType
            // The types used here are text and numbers, whose bytes can always be made.
            self.bytes = (try? value.deltaBytes()) ?? []
        }
    }

    private var told: [DeltaLabel: Fact] = [:]
    private var nextAt: UInt64 = 0

    /// What to set and delete now; nil while it is not time.
    mutating func due(
        time: UInt64,
        configuration: ClusterConfiguration,
        isOff: Bool,
        memberCount: Int,
        read: () -> HostFacts
    ) -> (set: [DeltaLabel: Fact], delete: [DeltaLabel])? {
        guard !isOff, configuration.areSystemFactsOn else {
            guard !self.told.isEmpty else { return nil }
            defer { self.told = [:] }
            self.nextAt = 0
            return ([:], Array(self.told.keys))
        }
        guard time >= self.nextAt else { return nil }
        let interval = max(configuration.systemFactsInterval, .milliseconds(500) * memberCount)
        self.nextAt = time + interval.clampedMicroseconds
        let facts = Self.facts(read(), withLoad: configuration.isSystemLoadOn)
        let changed = facts.filter { self.told[$0.key] != $0.value }
        let gone = self.told.keys.filter { facts[$0] == nil }
        self.told = facts
        return (changed, gone)
    }

    /// The next facts are told at the next opportunity.
    mutating func settingsChanged() {
        self.nextAt = 0
    }

    static func facts(_ host: HostFacts, withLoad: Bool) -> [DeltaLabel: Fact] {
        var facts: [DeltaLabel: Fact] = [
            "host": Fact(host.host),
            "platform": Fact(host.platform),
            "release": Fact(host.release),
            "machine": Fact(host.machine),
            "cpu_cores": Fact(host.coreCount),
            "memory_total": Fact(host.memoryTotal),
            "version": Fact(GoferBrokeVersion.current),
        ]
        if !host.cpuModel.isEmpty {
            facts["cpu_model"] = Fact(host.cpuModel)
        }
        if withLoad, host.memoryTotal > 0 {
            // Tenths: a finer step would change with every reading.
            let used = host.memoryTotal - min(host.memoryAvailable, host.memoryTotal)
            let tenths = Double(used) / Double(host.memoryTotal) * 10
            facts["memory_percent_used"] = Fact(UInt8(tenths.rounded()) * 10)
        }
        return facts
    }
}
