// SPDX-License-Identifier: Apache-2.0
// A change of a delta, raw and typed.

/// A value that is new, changed or deleted.
public struct DeltaChange: Sendable, Hashable {
    /// Whose it is.
    public var participant: String
    /// The life of the participant; of a deleted value the one in which it was last seen.
    public var generation: UInt64
    /// The stream it belongs to.
    public var lane: DeltaLane
    /// The key group.
    public var group: DeltaLabel
    /// The key.
    public var key: DeltaLabel
    /// The delta as it stands now; nil if it was deleted.
    public var delta: Delta?

    /// Makes a change.
    public init(
        participant: String,
        generation: UInt64,
        lane: DeltaLane = .user,
        group: DeltaLabel,
        key: DeltaLabel,
        delta: Delta?
    ) {
        self.participant = participant
        self.generation = generation
        self.lane = lane
        self.group = group
        self.key = key
        self.delta = delta
    }
}

/// A typed value that is new, changed or deleted.
public struct ValueChange<Value: DeltaValue>: Sendable {
    /// Whose it is.
    public var participant: String
    /// The life of the participant.
    public var generation: UInt64
    /// The value now; nil if it was deleted.
    public var value: Value?
}

extension ValueChange: Equatable where Value: Equatable {}
