// SPDX-License-Identifier: Apache-2.0
// The failure detector between the pump, which feeds it, and readers.

internal import Dispatch
package import GoferBrokeMembership

/// The failure detector and its clock. The pump feeds it; anybody reads. The lock is held for the detector's own work alone.
final class DetectorBox: Sendable {
    private struct State {
        var detector: any FailureDetector
        /// The core's clock at the last fact, and the system's at the same moment: the core's runs on between facts.
        var time: UInt64 = 0
        var uptime: UInt64 = 0
        /// Members with a link, few whatever the size of the cluster.
        var linked: Set<NodeName> = []

        func now() -> DetectorTime {
            let elapsed = DispatchTime.now().uptimeNanoseconds &- self.uptime
            return DetectorTime(microseconds: self.time &+ (self.uptime == 0 ? 0 : elapsed / 1_000))
        }
    }

    private let state: Mutex<State>

    init(detector: any FailureDetector) {
        self.state = Mutex(State(detector: detector))
    }

    /// The core's time at the last fact.
    var time: UInt64 {
        self.state.withLock { $0.time }
    }

    /// Takes a fact and returns what has to be done.
    func handle(_ input: DetectorInput, time: UInt64) -> [DetectorAction] {
        let uptime = DispatchTime.now().uptimeNanoseconds
        return self.state.withLock { state in
            if time > state.time {
                state.time = time
                state.uptime = uptime
            }
            switch input {
            case .linkOpened(let name, _): state.linked.insert(NodeName(name))
            case .linkClosed(_, _, .replaced): break
            case .linkClosed(let name, _, _), .memberForgotten(let name): state.linked.remove(NodeName(name))
            default: break
            }
            return state.detector.handle(input, now: DetectorTime(microseconds: state.time))
        }
    }

    /// Makes the detector's picture that of the map again after facts were lost: who is a member, who is linked, and which
    /// accusations stand. Lost results of probes are not made up: the detector's checks have a deadline of their own.
    func catchUp(members: [Member], accusations: [Accusation], time: UInt64) -> [DetectorAction] {
        let (known, held, linked) = self.state.withLock { ($0.detector.memberNames, $0.detector.accusationsOfOthers, $0.linked) }
        let names = Set(members.map { NodeName($0.name) })
        var inputs: [DetectorInput] = known.filter { !names.contains(NodeName($0)) }.map { .memberForgotten(name: $0) }
        for member in members {
            inputs.append(.memberUpdated(.init(member)))
            let wasLinked = linked.contains(NodeName(member.name))
            if member.links > 0, !wasLinked {
                inputs.append(.linkOpened(name: member.name, generation: member.generation))
            } else if member.links == 0, wasLinked {
                // Why is not known any more; this cause proves nothing and asks for a check.
                inputs.append(.linkClosed(name: member.name, generation: member.generation, cause: .timedOut))
            }
        }
        let standing = Set(accusations.map { [NodeName($0.accuser), NodeName($0.target)] })
        inputs += held.filter { !standing.contains([NodeName($0.accuser), NodeName($0.target)]) }
            .map { .retraction(accuser: $0.accuser, target: $0.target) }
        inputs += accusations.map { .accusation($0) }
        return inputs.flatMap { self.handle($0, time: time) }
    }

    /// What the detector holds of what others accuse.
    var accusationsOfOthers: [Accusation] {
        self.state.withLock { $0.detector.accusationsOfOthers }
    }

    /// Whose accusations of a member stand and count, self's among them; by the bytes of their names.
    func accusers(of name: String) -> [String] {
        self.state.withLock { $0.detector.member(name, at: $0.now())?.accusers ?? [] }
    }

    func phi(of name: String) -> Double {
        self.state.withLock { $0.detector.phi(of: name, at: $0.now()) }
    }

    /// Phi of every member that this node has a link to.
    func linkedPhis() -> [(name: NodeName, phi: Double)] {
        self.state.withLock { state in
            let now = state.now()
            return state.linked.map { ($0, state.detector.phi(of: $0.text, at: now)) }
        }
    }

    /// What the detector did so far, and how well this node is.
    func work() -> (statistics: DetectorStatistics, localHealth: Int) {
        self.state.withLock { ($0.detector.statistics, $0.detector.localHealth) }
    }

    /// Reports are made of a copy, so that the pump doesn't wait for them.
    func reports() -> [MemberReport] {
        let (detector, now) = self.state.withLock { ($0.detector, $0.now()) }
        return detector.members(at: now)
    }

    /// Made of a copy too.
    func explanation(of name: String) -> Explanation {
        let (detector, now) = self.state.withLock { ($0.detector, $0.now()) }
        return Explanation(of: name, by: detector, at: now)
    }
}

extension GoferBrokeMembership.Member {
    package init(_ member: Member) {
        self.init(
            name: member.name,
            generation: member.generation,
            incarnation: member.incarnation,
            hasDetector: member.hasDetector,
            isDiallable: member.isDiallable,
            hasLeft: member.status == .left,
            isHeldForDead: member.status == .dead
        )
    }
}
