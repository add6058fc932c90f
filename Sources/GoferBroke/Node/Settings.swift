// SPDX-License-Identifier: Apache-2.0
// From the cluster configuration to the settings of core and detector.

package import GoferBrokeConfiguration
package import GoferBrokeMembership

extension EngineSettings {
    /// What the core takes of the cluster configuration, and how long this node's leave may take.
    package init(_ cluster: ClusterConfiguration, leaveTimeout: Duration) {
        self.init()
        self.gossipInterval = cluster.gossipInterval
        self.heartbeatInterval = cluster.heartbeatInterval
        self.probeTimeout = cluster.probeTimeout
        // A link is closed for silence only after several heartbeats were due on it.
        self.linkTimeout = max(.seconds(15), cluster.heartbeatInterval * 4)
        self.tombstoneGrace = cluster.tombstoneGrace
        self.departedRetention = cluster.deadMemberRetention
        self.pullStall = cluster.gossipRoundTimeout
        self.reconnectInterval = cluster.reconnectInterval
        // For the core zero is its default.
        self.leaveTimeout = max(leaveTimeout, .microseconds(1))
        self.exchangesPerRound = UInt32(clamping: cluster.nodeSelectionPerGossipRound)
        self.keyCountMax = UInt32(clamping: cluster.maxKeysPerParticipant)
        self.valueSizeMax = UInt32(clamping: cluster.maxValueSize)
        self.linkQueueMax = UInt32(clamping: cluster.maxLinkQueueSize)
        self.isPushDisabled = !cluster.isEagerPushOn
        self.isPaperMode = cluster.gossipMode == .paper
        self.isBreadthFirst = cluster.deltaOrder == .breadth
        self.deltaLimit = UInt32(clamping: cluster.deltaLimit)
        self.isFlowDisabled = !cluster.isFlowControlOn
        self.flowRateMax = UInt32(clamping: cluster.flowRateMax)
        self.flowDecrease = cluster.flowDecrease
        self.flowIncrease = cluster.flowIncrease
        self.flowStep = cluster.flowStep
        self.flowOverCount = UInt32(clamping: cluster.flowOverCount)
        self.flowUnderCount = UInt32(clamping: cluster.flowUnderCount)
    }
}

extension DetectorSettings {
    /// What the detector takes of the cluster configuration.
    package init(_ cluster: ClusterConfiguration) {
        self.init(
            phiThreshold: cluster.phiThreshold,
            windowSize: cluster.phiWindowSize,
            minimumDeviation: cluster.phiMinimumDeviation,
            acceptablePause: cluster.phiAcceptablePause,
            heartbeatInterval: cluster.heartbeatInterval,
            probeTimeout: cluster.probeTimeout,
            helperCount: cluster.probeHelpers,
            suspicionMinimum: cluster.suspicionTime,
            suspicionMaximum: max(cluster.suspicionTime, cluster.nodeFaultyAfter)
        )
    }
}

/// A cluster configuration, and what follows from it.
package struct SettingsInForce: Sendable {
    package let configuration: ClusterConfiguration
    package let limits: SizeLimits

    package init(_ configuration: ClusterConfiguration) {
        self.configuration = configuration
        self.limits = SizeLimits(configuration)
    }
}

/// Sizes that `set` checks before the core does, so that the error names the configured limit.
package struct SizeLimits: Sendable {
    let group: Int
    let key: Int
    let value: Int

    package init(_ cluster: ClusterConfiguration) {
        self.group = cluster.maxKeyGroupSize
        self.key = cluster.maxKeySize
        self.value = cluster.maxValueSize
    }

    /// Whether applications may set this.
    ///
    /// - Returns: The time to live in milliseconds; 0: it stays.
    package func checkSet(
        group: DeltaLabel,
        key: DeltaLabel,
        valueSize: Int,
        expiresAfter time: Duration?
    ) throws(GoferBrokeError) -> UInt64 {
        try self.check(group: group, key: key, valueSize: valueSize)
        guard group != SystemFacts.group else { throw SystemFacts.reserved("set \(group):\(key)") }
        guard let time else { return 0 }
        guard time > .zero else {
            let reason = "the time to live must be positive, and \(time) is not"
            throw GoferBrokeError(code: .invalidArgument, operation: "set \(group):\(key)", reason: reason)
        }
        return time.clampedMilliseconds
    }

    package func check(
        _ verb: String = "set",
        group: DeltaLabel,
        key: DeltaLabel,
        valueSize: Int
    ) throws(GoferBrokeError) {
        let operation = { "\(verb) \(group):\(key)" }
        guard (1...self.group).contains(group.bytes.count) else {
            let reason = "the key group has \(group.bytes.count) bytes, and MaxKeyGroupSize allows 1 to \(self.group)"
            throw GoferBrokeError(code: .groupSize, operation: operation(), reason: reason)
        }
        guard key.bytes.count <= self.key else {
            // The key is too long to be shown.
            let reason = "the key has \(key.bytes.count) bytes, and MaxKeySize is \(self.key)"
            throw GoferBrokeError(code: .keySize, operation: "\(verb) a key of group \(group)", reason: reason)
        }
        guard valueSize <= self.value else {
            let reason = "the value has \(valueSize) bytes, and MaxValueSize is \(self.value)"
            throw GoferBrokeError(code: .valueSize, operation: operation(), reason: reason)
        }
    }
}
