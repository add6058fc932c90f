// SPDX-License-Identifier: Apache-2.0

import GoferBrokeMembership
import Testing

@testable import GoferBroke
@testable import GoferBrokeSimulation

/// The checkers see what they are there for: in each test the truth is bent, or what a node was seen to know, and the next change of
/// that lane is a violation.
@Suite(.timeLimit(.minutes(5))) struct CheckTests {
    private static let userLane = Int(DeltaLane.user.rawValue)

    /// Two nodes that know each other; n0 owns k and j, and n1 knows both.
    private static func pair() throws -> Simulation {
        let simulation = Simulation(SimulationOptions(seed: 41))
        for number in 0..<2 {
            simulation.start(simulation.addPlace("n\(number)"), .init(seeds: number == 0 ? [] : [0]))
        }
        try #require(simulation.run(within: .seconds(30)) { simulation.isAgreed() })
        for key in ["k", "j"] {
            try simulation.set(simulation.places[0], group: "g", key: DeltaLabel(key), bytes: [1])
        }
        simulation.run(for: .seconds(1))
        try #require(simulation.violations.isEmpty && simulation.isAgreed())
        return simulation
    }

    /// n0 sets another key; `bend` changes the truth before n1 hears of it.
    private static func kind(
        in simulation: Simulation,
        _ bend: (Simulation) -> Void
    ) throws -> Violation.Kind? {
        try simulation.set(simulation.places[0], group: "g", key: "news", bytes: [2])
        bend(simulation)
        simulation.run(for: .seconds(1))
        #expect(simulation.violations.count <= 1)
        #expect(simulation.violations.allSatisfy { $0.observer == "n1" && $0.time > 0 })
        return simulation.violations.first?.kind
    }

    private static func bendDeeds(_ simulation: Simulation, _ change: (inout [Deed]) -> Void) {
        let life = simulation.history.lives[0].count - 1
        change(&simulation.history.lives[0][life].lanes[Self.userLane].deeds)
    }

    @Test func nothingIsReportedWhereNothingIsBent() throws {
        #expect(try Self.kind(in: try Self.pair()) { _ in } == nil)
    }

    @Test func aVersionThatFellIsReported() throws {
        let kind = try Self.kind(in: try Self.pair()) { $0.places[1].seen["n0"]?.versions[Self.userLane] = 99 }
        #expect(kind == .monotony)
    }

    @Test func aGenerationThatFellIsReported() throws {
        #expect(try Self.kind(in: try Self.pair()) { $0.places[1].seen["n0"]?.generation += 1 } == .monotony)
    }

    @Test func aVersionThatItsOwnerNeverHadIsReported() throws {
        #expect(try Self.kind(in: try Self.pair()) { Self.bendDeeds($0) { $0.removeLast() } } == .forgery)
    }

    @Test func aLifeThatItsOwnerNeverHadIsReported() throws {
        #expect(try Self.kind(in: try Self.pair()) { $0.history.lives[0] = [] } == .forgery)
    }

    @Test func anotherValueThanTheOwnersIsReported() throws {
        #expect(try Self.kind(in: try Self.pair()) { Self.bendDeeds($0) { $0[$0.count - 1].valueDigest ^= 1 } } == .scuttlebutt)
    }

    @Test func anotherKeyThanTheOwnersIsReported() throws {
        #expect(try Self.kind(in: try Self.pair()) { Self.bendDeeds($0) { $0[$0.count - 1].keyDigest ^= 1 } } == .scuttlebutt)
    }

    /// The owner had one more key at that version than the other one holds.
    @Test func aMissingKeyIsReported() throws {
        #expect(try Self.kind(in: try Self.pair()) { Self.bendDeeds($0) { $0[$0.count - 1].liveCount += 1 } } == .scuttlebutt)
    }

    /// The owner wrote k anew before the last version, and the other one holds the old k.
    @Test func anOldValueBesideANewerVersionIsReported() throws {
        #expect(try Self.kind(in: try Self.pair()) { Self.bendDeeds($0) { $0[0].nextVersion = 2 } } == .scuttlebutt)
    }

    @Test func aDeletedKeyThatIsBackIsReported() throws {
        let kind = try Self.kind(in: try Self.pair()) { simulation in
            Self.bendDeeds(simulation) { deeds in
                deeds[0].nextVersion = 2
                deeds[1].isTombstone = true
            }
        }
        #expect(kind == .resurrection)
    }

    @Test func oneKeyTooManyIsReported() throws {
        #expect(try Self.kind(in: try Self.pair()) { Self.bendDeeds($0) { $0[$0.count - 1].liveCount -= 1 } } == .resurrection)
    }

    /// An engine that is told a lie by its detector: the death of somebody who runs and can be reached.
    @Test func aFalseDeathIsReported() throws {
        let simulation = try Self.pair()
        simulation.run(for: .seconds(10))
        let (liar, victim) = (simulation.places[0], simulation.places[1])
        let engine = try #require(liar.engine)
        let known = try #require(engine.member(victim.name))
        let death = DetectorAction.declareDead(
            target: known.name,
            generation: known.generation,
            incarnation: known.incarnation,
            reason: .silent
        )
        engine.act([death], now: liar.clock(simulation.now))
        simulation.settle(liar)
        simulation.run(for: .milliseconds(100))
        #expect(simulation.violations.first?.kind == .falseDeath)
        #expect(simulation.violations.first?.observer == "n0")
    }

    @Test func aForgottenLifeThatIsBackIsReported() throws {
        let simulation = try Self.pair()
        let (gone, observer) = (simulation.places[0], simulation.places[1])
        let member = try #require(observer.engine?.member(gone.name))
        simulation.kill(gone)
        simulation.checkGhost(member, at: observer)
        #expect(simulation.violations.isEmpty, "it was never forgotten")
        observer.forgotten[gone.name] = Grave(member, at: observer.clock(simulation.now))
        var refuted = member
        refuted.incarnation += 1
        simulation.checkGhost(refuted, at: observer)
        #expect(simulation.violations.isEmpty, "it refuted")
        simulation.checkGhost(member, at: observer)
        #expect(simulation.violations.map(\.kind) == [.ghost])
    }

    @Test func aWriteThatIsLateIsReported() throws {
        let well = try Self.pair()
        well.checkPushes()
        #expect(well.violations.isEmpty)
        let simulation = try Self.pair()
        simulation.changePaths { $0.split([[simulation.places[0]], [simulation.places[1]]]) }
        simulation.checkPushes()
        #expect(simulation.violations.first?.kind == .lag)
    }

    @Test func whoStandsStillUnnoticedIsReported() throws {
        let simulation = Simulation(SimulationOptions(seed: 42))
        for number in 0..<5 {
            simulation.start(simulation.addPlace("n\(number)"), .init(seeds: number == 0 ? [] : [0]))
        }
        simulation.run(for: .seconds(30))
        try #require(simulation.isAgreed())
        simulation.checkNoticed(simulation.places[0], frozenFor: 14_000_000)
        #expect(simulation.violations.isEmpty, "not for long enough")
        simulation.checkNoticed(simulation.places[0], frozenFor: 16_000_000)
        #expect(simulation.violations.map(\.kind) == [.unnoticed], "all hold it for alive")
    }

    /// Of twelve that are linked to each other only one is left: it has more links than one alone may have.
    @Test func tooManyLinksAreReported() throws {
        let simulation = Simulation(SimulationOptions(seed: 43))
        for number in 0..<12 {
            simulation.start(simulation.addPlace("n\(number)"), .init(seeds: number == 0 ? [] : [0]))
        }
        try #require(simulation.run(within: .seconds(30)) { simulation.isAgreed() })
        #expect(simulation.calmViolation() == nil)
        for place in simulation.places.dropFirst() {
            simulation.cutPower(place)
        }
        #expect(simulation.calmViolation()?.kind == .links)
    }

    @Test func aHostThatAnswersItselfForEverIsReported() throws {
        var options = SimulationOptions(seed: 44)
        options.makeDetector = { name, generation, settings, seed in
            Restless(base: PhiAccrualDetector(name: name, generation: generation, settings: settings, seed: seed), own: name)
        }
        let simulation = Simulation(options)
        for number in 0..<2 {
            simulation.start(simulation.addPlace("n\(number)"), .init(seeds: number == 0 ? [] : [0]))
        }
        simulation.run(for: .seconds(5))
        #expect(simulation.violations.first?.kind == .spinning)
    }

    @Test func aCalmWithoutAgreementIsNoAgreement() throws {
        let simulation = try Self.pair()
        simulation.changePaths { $0.split([[simulation.places[0]], [simulation.places[1]]]) }
        try simulation.set(simulation.places[0], group: "g", key: "news", bytes: [2])
        simulation.run(for: .seconds(1))
        #expect(simulation.disagreement()?.kind == .disagreement)
        simulation.kill(simulation.places[0])
        #expect(simulation.disagreement()?.kind == .membership, "n1 holds the killed one for alive")
    }
}

/// Takes back what it said as soon as it hears of it, and says it again.
private struct Restless: FailureDetector {
    var base: PhiAccrualDetector
    let own: String

    mutating func handle(_ input: DetectorInput, now: DetectorTime) -> [DetectorAction] {
        switch input {
        case .memberUpdated(let member) where member.name != self.own:
            let actions = self.base.handle(input, now: now)
            return actions + [self.accuse(member.name, generation: member.generation)]
        case .accusation(let accusation) where accusation.accuser == self.own:
            return [.retract(target: accusation.target)]
        case .retraction(let accuser, let target) where accuser == self.own:
            return [self.accuse(target, generation: self.base.member(target, at: now)?.generation ?? 1)]
        default:
            return self.base.handle(input, now: now)
        }
    }

    private func accuse(_ target: String, generation: UInt64) -> DetectorAction {
        .accuse(target: target, generation: generation, incarnation: 0, reason: .silent)
    }

    func phi(of name: String, at now: DetectorTime) -> Double { self.base.phi(of: name, at: now) }
    func status(of name: String) -> MemberStatus? { self.base.status(of: name) }
    func members(at now: DetectorTime) -> [MemberReport] { self.base.members(at: now) }
    func member(_ name: String, at now: DetectorTime) -> MemberReport? { self.base.member(name, at: now) }
    var memberNames: [String] { self.base.memberNames }
    var accusationsOfOthers: [Accusation] { self.base.accusationsOfOthers }
    func story(of name: String) -> [StoryEntry] { self.base.story(of: name) }
    var reachability: [ReachabilityFact] { self.base.reachability }
    var localHealth: Int { self.base.localHealth }
    var statistics: DetectorStatistics { self.base.statistics }
}
