// SPDX-License-Identifier: Apache-2.0
// What must not happen.

/// A rule that was broken: which, where, when.
public struct Violation: Sendable, Hashable, CustomStringConvertible {
    /// The rules.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// A node holds something else of an owner than the owner had at that version (ALGORITHM S1).
        case scuttlebutt
        /// What a node knows of somebody has shrunk (S2).
        case monotony
        /// A version or life that its owner never had: somebody else wrote it (S3).
        case forgery
        /// A deleted key is back (S4).
        case resurrection
        /// A node took up a life again, from third parties, that it had forgotten a while ago.
        case ghost
        /// In the calm a write took longer than pushing takes.
        case lag
        /// A node that stood still for long was suspected by nobody.
        case unnoticed
        /// A bound is exceeded.
        case bound
        /// A node that ran and could be reached was declared dead by a healthy one.
        case falseDeath
        /// In the calm the nodes did not come to agree.
        case disagreement
        /// In the calm somebody who runs is held for dead, or the other way round.
        case membership
        /// In the calm a node has more links than it should.
        case links
        /// A node does not come to rest, or can't start.
        case spinning, start
        /// A figure of the scenario was missed.
        case figure
    }

    /// Which rule.
    public var kind: Kind
    /// Virtual seconds since the beginning.
    public var time = 0.0
    /// At which node.
    public var observer: String
    /// What exactly.
    public var text: String

    /// Kind, time, node and what exactly, on one line.
    public var description: String {
        "\(self.kind.rawValue) at \(Double(Int(self.time * 1_000)) / 1_000) s on \(self.observer): \(self.text)"
    }
}
