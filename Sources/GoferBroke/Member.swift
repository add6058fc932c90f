// SPDX-License-Identifier: Apache-2.0
// A node as it stands in the cluster, as this node sees it.

public import GoferBrokeConfiguration

/// A node as it stands in the cluster, as this node sees it. (name, generation) is its identity, the address an attribute.
public struct Member: Sendable, Hashable {
    /// How a member stands. Within one (generation, incarnation) a later case outranks an earlier one.
    public enum Status: UInt8, Sendable, Hashable, Comparable, CaseIterable, CustomStringConvertible {
        /// Nobody accuses it.
        case alive = 0
        /// Somebody accuses it, and it may still refute that.
        case suspect = 1
        /// It is gone without a word.
        case dead = 2
        /// It said good-bye.
        case left = 3

        /// Order of precedence.
        public static func < (left: Status, right: Status) -> Bool {
            left.rawValue < right.rawValue
        }

        /// The word for it.
        public var description: String {
            switch self {
            case .alive: return "alive"
            case .suspect: return "suspect"
            case .dead: return "dead"
            case .left: return "left"
            }
        }
    }

    /// Its name.
    public var name: String
    /// Which life of it: grows at each start.
    public var generation: UInt64
    /// Grows inside a generation each time that it refutes a suspicion.
    public var incarnation: UInt64
    /// How it stands.
    public var status: Status
    /// Where it can be dialled; nil where that is not known.
    public var address: Endpoint?
    /// How suspicious its silence is: 0 for self and for members that this node has no link to.
    public var phi: Double
    /// Open links between this node and it; for self those to anybody.
    public var links: Int
    /// Whether it is this node.
    public var isSelf: Bool
    /// Whether it has a failure detector: only those are judges.
    public var hasDetector: Bool
    /// Whether it answered a dial at its address in this life.
    public var isDiallable: Bool
    /// How many accusations of it stand.
    public var accuserCount: Int
    /// Whether a single node's word decides about it, as among two nodes.
    public var hasSoleJudge: Bool

    /// Makes a member.
    public init(
        name: String,
        generation: UInt64,
        incarnation: UInt64 = 0,
        status: Status = .alive,
        address: Endpoint? = nil,
        phi: Double = 0,
        links: Int = 0,
        isSelf: Bool = false,
        hasDetector: Bool = true,
        isDiallable: Bool = false,
        accuserCount: Int = 0,
        hasSoleJudge: Bool = false
    ) {
        self.name = name
        self.generation = generation
        self.incarnation = incarnation
        self.status = status
        self.address = address
        self.phi = phi
        self.links = links
        self.isSelf = isSelf
        self.hasDetector = hasDetector
        self.isDiallable = isDiallable
        self.accuserCount = accuserCount
        self.hasSoleJudge = hasSoleJudge
    }
}
