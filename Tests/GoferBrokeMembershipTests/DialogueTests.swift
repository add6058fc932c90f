// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GoferBrokeMembership

/// One detector, its inputs and its exact answers.
struct Dialogue {
    var detector: PhiAccrualDetector
    var now = DetectorTime.zero

    /// Self is `a`; the others are alive, generation 1, diallable, linked and just heard.
    init(others: [String], settings: DetectorSettings = DetectorSettings(), isLinked: Bool = true) {
        self.detector = PhiAccrualDetector(name: "a", generation: 1, settings: settings, seed: 1)
        for name in others {
            _ = self.say(.memberUpdated(Member(name: name, generation: 1, isDiallable: true)))
            if isLinked {
                _ = self.say(.linkOpened(name: name, generation: 1))
                _ = self.say(.heartbeat(name: name, generation: 1, roundTrip: nil))
            }
        }
        _ = self.say(.tick)
    }

    /// What it answers, but for how often it wants ticks: here they come ten times a second, asked for or not.
    @discardableResult
    mutating func say(_ input: DetectorInput) -> [DetectorAction] {
        self.detector.handle(input, now: self.now).filter { action in
            if case .tick = action { return false }
            return true
        }
    }

    /// Ticks for `duration`; `heard` send a heartbeat every two seconds; dials of `answering` are answered at once.
    @discardableResult
    mutating func pass(_ duration: Duration, hearing heard: [String] = [], answering: [String] = []) -> [DetectorAction] {
        var actions: [DetectorAction] = []
        let end = self.now + duration
        while self.now < end {
            self.now += .milliseconds(100)
            if self.now.microseconds % 2_000_000 == 0 {
                for name in heard {
                    actions += self.say(.heartbeat(name: name, generation: 1, roundTrip: nil))
                }
            }
            for action in self.say(.tick) {
                actions.append(action)
                if case .probe(let target, let generation, _) = action, answering.contains(target) {
                    actions += self.say(.probeResult(target: target, generation: generation, helper: nil, outcome: .answered))
                }
            }
        }
        return actions
    }

    @discardableResult
    mutating func result(_ target: String, _ outcome: ProbeOutcome, helper: String? = nil) -> [DetectorAction] {
        self.say(.probeResult(target: target, generation: 1, helper: helper, outcome: outcome))
    }

    @discardableResult
    mutating func accuse(
        _ target: String,
        by accuser: String,
        _ reason: AccusationReason = .silent,
        accuserGeneration: UInt64 = 1,
        incarnation: UInt64 = 0,
        hasVerdict: Bool = false
    ) -> [DetectorAction] {
        self.say(
            .accusation(
                Accusation(
                    accuser: accuser,
                    accuserGeneration: accuserGeneration,
                    target: target,
                    generation: 1,
                    incarnation: incarnation,
                    reason: reason,
                    hasVerdict: hasVerdict
                )
            )
        )
    }

    func status(_ name: String) -> MemberStatus? {
        self.detector.status(of: name)
    }
}

func probes(_ target: String, _ count: Int = 3) -> [DetectorAction] {
    Array(repeating: .probe(target: target, generation: 1), count: count)
}

@Suite("Dialogues")
struct DialogueTests {
    @Test("Link ended and dial refused: accused as crashed in the same answer, dead with the second judge")
    func crash() {
        var d = Dialogue(others: ["b", "c"])
        let lost = d.say(.linkClosed(name: "b", generation: 1, cause: .ended))
        #expect(lost == probes("b") + [.probeThrough(helper: "c", target: "b", generation: 1)])
        #expect(
            d.result("b", .refused) == [
                .accuse(target: "b", generation: 1, incarnation: 0, reason: .crashed),
                .declareSuspect(target: "b", generation: 1, incarnation: 0),
            ]
        )
        #expect(d.result("b", .refused).isEmpty)
        #expect(
            d.accuse("b", by: "c", .crashed) == [.declareDead(target: "b", generation: 1, incarnation: 0, reason: .crashed)]
        )
    }

    @Test("Of two nodes the other's crash is proved by the only judge at once", arguments: [ProbeOutcome.refused, .otherIdentity])
    func crashOfTwo(outcome: ProbeOutcome) {
        var d = Dialogue(others: ["b"])
        #expect(d.say(.linkClosed(name: "b", generation: 1, cause: .reset)) == probes("b"))
        #expect(d.result("b", outcome).last == .declareDead(target: "b", generation: 1, incarnation: 0, reason: .crashed))
    }

    @Test("A refusal proves nothing where the peer was never dialled in this life, or the link only timed out")
    func refusalWithoutProof() {
        for (isDiallable, cause) in [(false, LinkCloseCause.reset), (true, .timedOut)] {
            var d = Dialogue(others: [])
            d.say(.memberUpdated(Member(name: "b", generation: 1, isDiallable: isDiallable)))
            d.say(.linkOpened(name: "b", generation: 1))
            #expect(d.say(.linkClosed(name: "b", generation: 1, cause: cause)) == probes("b"))
            #expect(d.result("b", .refused).isEmpty && d.result("b", .refused).isEmpty)
            #expect(
                d.result("b", .refused) == [
                    .accuse(target: "b", generation: 1, incarnation: 0, reason: .linkLost),
                    .declareSuspect(target: "b", generation: 1, incarnation: 0),
                ]
            )
            // The only judge's word decides after the full suspicion time.
            #expect(d.pass(.milliseconds(5_900)).allSatisfy { !isDeath($0) })
            #expect(d.pass(.milliseconds(200)).last == .declareDead(target: "b", generation: 1, incarnation: 0, reason: .soleJudge))
        }
    }

    @Test("Any success ends the check without an accusation, and is remembered", arguments: [nil, "c"])
    func anySuccess(helper: String?) {
        var d = Dialogue(others: ["b", "c"])
        d.say(.linkClosed(name: "b", generation: 1, cause: .timedOut))
        d.result("b", .unreachable)
        d.result("b", .unreachable)
        #expect(d.result("b", .answered, helper: helper).isEmpty)
        #expect(d.result("b", .unreachable).isEmpty)
        #expect(d.status("b") == .alive && d.pass(.seconds(2), hearing: ["c"]).isEmpty)
        let fact = d.detector.reachability.first
        #expect(fact?.target == "b" && fact?.observer == helper && d.detector.reachability.count == 1)
        // Others reach it and we do not: a reason to doubt ourselves.
        #expect(d.detector.story(of: "b").contains { $0.event == .probed(helper: helper, outcome: .answered) })
        #expect(d.pass(.seconds(15)).contains { $0 == .probe(target: "b", generation: 1) })
    }

    @Test("Who accuses looks for it again through those who do not, and takes their word")
    func reachedByOthers() {
        var d = Dialogue(others: ["b", "c", "e"])
        d.say(.linkClosed(name: "b", generation: 1, cause: .timedOut))
        for helper in [nil, nil, nil, "c", "e"] { d.result("b", .unreachable, helper: helper) }
        d.accuse("b", by: "c", .unreachable)
        #expect(d.status("b") == .suspect)
        #expect(d.pass(.milliseconds(900), hearing: ["c", "e"]).isEmpty)
        let looking = d.pass(.milliseconds(200), hearing: ["c", "e"])
        #expect(looking.contains(.probeThrough(helper: "e", target: "b", generation: 1)))
        #expect(!looking.contains(.probeThrough(helper: "c", target: "b", generation: 1)))
        #expect(d.result("b", .answered, helper: "e") == [.retract(target: "b")])
        #expect(d.status("b") == .suspect)
        // It is ours to judge again, and who reached it is asked again before we accuse it on another's word.
        for _ in 0..<3 { d.result("b", .unreachable) }
        let judging = d.pass(.milliseconds(1_100), hearing: ["c", "e"])
        #expect(judging == probes("b") + [.probeThrough(helper: "e", target: "b", generation: 1)])
        for _ in 0..<3 { #expect(d.result("b", .unreachable).isEmpty) }
        #expect(d.result("b", .answered, helper: "e").isEmpty)
    }

    @Test("Links that we closed or that were replaced, and links of who has left, arouse nothing")
    func innocentCloses() {
        for cause in [LinkCloseCause.closedByUs, .replaced] {
            var d = Dialogue(others: ["b", "c"])
            #expect(d.say(.linkClosed(name: "b", generation: 1, cause: cause)).isEmpty)
            #expect(d.detector.member("b", at: d.now)?.isLinked == (cause == .replaced))
        }
        for cause in LinkCloseCause.allCases {
            var d = Dialogue(others: ["b", "c"])
            d.say(.memberUpdated(Member(name: "b", generation: 1, hasLeft: true)))
            #expect(d.say(.linkClosed(name: "b", generation: 1, cause: cause)).isEmpty)
            #expect(d.pass(.seconds(20), hearing: ["c"]).isEmpty && d.status("b") == .left)
        }
    }

    @Test("Silence over the threshold is checked, then accused, and taken back when the peer is heard")
    func silence() {
        var d = Dialogue(others: ["b", "c"])
        d.pass(.seconds(60), hearing: ["b", "c"])
        #expect(d.detector.phi(of: "b", at: d.now) == 0 || d.detector.phi(of: "b", at: d.now) < 1e-9)
        // 2 s + 1 s + 5.61 deviations: the two samples that the window began with still count, 62 ms.
        #expect(d.pass(.milliseconds(3_300), hearing: ["c"]).isEmpty)
        let checking = d.pass(.milliseconds(100), hearing: ["c"])
        #expect(checking == probes("b") + [.probeThrough(helper: "c", target: "b", generation: 1)])
        #expect(d.detector.phi(of: "b", at: d.now) > 8)
        for _ in 0..<3 { d.result("b", .unreachable) }
        #expect(
            d.result("b", .unreachable, helper: "c") == [
                .accuse(target: "b", generation: 1, incarnation: 0, reason: .silent),
                .declareSuspect(target: "b", generation: 1, incarnation: 0),
            ]
        )
        #expect(
            d.say(.activity(name: "b", generation: 1)) == [
                .retract(target: "b"), .declareAlive(target: "b", generation: 1, incarnation: 0),
            ]
        )
    }

    @Test("Missing reports of probes count as unanswered after two timeouts")
    func missingReports() {
        var d = Dialogue(others: ["b"])
        d.say(.linkClosed(name: "b", generation: 1, cause: .timedOut))
        #expect(d.pass(.milliseconds(500)).isEmpty)
        #expect(d.pass(.milliseconds(100)).first == .accuse(target: "b", generation: 1, incarnation: 0, reason: .linkLost))
    }

    @Test("A greater incarnation refutes; a greater generation is another life; both end our accusation")
    func refutation() {
        for (generation, incarnation): (UInt64, UInt64) in [(1, 1), (2, 0)] {
            var d = Dialogue(others: ["b"])
            d.say(.linkClosed(name: "b", generation: 1, cause: .timedOut))
            for _ in 0..<3 { d.result("b", .unreachable) }
            #expect(d.status("b") == .suspect)
            let member = Member(name: "b", generation: generation, incarnation: incarnation)
            #expect(
                d.say(.memberUpdated(member)) == [
                    .retract(target: "b"), .declareAlive(target: "b", generation: generation, incarnation: incarnation),
                ]
            )
            // What was said of the past counts no longer.
            #expect(d.accuse("b", by: "b").isEmpty && d.say(.memberUpdated(Member(name: "b", generation: 1))).isEmpty)
            #expect(d.detector.member("b", at: d.now)?.generation == generation)
        }
    }

    @Test("A look whether it is back, begun before it refuted, does not accuse it anew", arguments: [true, false])
    func refutedDuringRecheck(isLeftUnanswered: Bool) {
        var d = Dialogue(others: ["b", "c"])
        d.say(.linkClosed(name: "b", generation: 1, cause: .timedOut))
        d.result("b", .unreachable, helper: "c")
        for _ in 0..<3 { d.result("b", .unreachable) }
        #expect(d.status("b") == .suspect)
        let looks = d.pass(.milliseconds(1_100), hearing: ["c"])
        #expect(looks.filter { $0 == .probe(target: "b", generation: 1, timeout: .milliseconds(1_200)) }.count == 3)
        d.say(.memberUpdated(Member(name: "b", generation: 1, incarnation: 1)))
        #expect(d.status("b") == .alive)
        if !isLeftUnanswered {
            for _ in 0..<3 { #expect(d.result("b", .unreachable).isEmpty) }
        }
        let actions = d.pass(.milliseconds(2_500), hearing: ["c"])
        #expect(!actions.contains { if case .accuse = $0 { true } else { false } })
        #expect(d.status("b") == .alive)
    }

    @Test("A later life that answers our dial proves the old one dead")
    func superseded() {
        var d = Dialogue(others: ["b", "c"])
        d.say(.linkClosed(name: "b", generation: 1, cause: .reset))
        #expect(
            d.result("b", .newerGeneration(5)) == [.declareDead(target: "b", generation: 1, incarnation: 0, reason: .superseded)]
        )
        #expect(
            d.say(.memberUpdated(Member(name: "b", generation: 5))) == [
                .declareAlive(target: "b", generation: 5, incarnation: 0)
            ]
        )
    }

    @Test("Accusations by the dead, the left, the forgotten, an older life, or of an older incarnation do not count")
    func accusationsThatDoNotCount() {
        var dead = Dialogue(others: ["b", "c"])
        dead.say(.linkClosed(name: "c", generation: 1, cause: .reset))
        dead.result("c", .refused)
        dead.accuse("c", by: "b", .crashed)
        #expect(dead.status("c") == .dead)
        dead.accuse("b", by: "c")
        #expect(dead.status("b") == .alive)

        var left = Dialogue(others: ["b", "c", "d"])
        left.accuse("b", by: "c")
        #expect(left.status("b") == .suspect)
        left.say(.memberUpdated(Member(name: "c", generation: 1, hasLeft: true)))
        left.pass(.milliseconds(100), hearing: ["b"])
        #expect(left.status("b") == .alive)

        var forgotten = Dialogue(others: ["b", "c", "d"])
        forgotten.accuse("b", by: "c")
        forgotten.say(.memberForgotten(name: "c"))
        forgotten.pass(.milliseconds(100))
        #expect(forgotten.status("b") == .alive)

        // Nor what a forgotten one said of somebody unknown: its lane may come back without it.
        var stranger = Dialogue(others: ["c", "d"])
        stranger.accuse("b", by: "c")
        stranger.say(.memberForgotten(name: "c"))
        stranger.say(.memberUpdated(Member(name: "b", generation: 1)))
        stranger.say(.memberUpdated(Member(name: "c", generation: 1)))
        stranger.pass(.milliseconds(100))
        #expect(stranger.status("b") == .alive)

        var restarted = Dialogue(others: ["b", "c", "d"])
        restarted.accuse("b", by: "c")
        restarted.say(.memberUpdated(Member(name: "c", generation: 2)))
        restarted.pass(.milliseconds(100))
        #expect(restarted.status("b") == .alive)
        restarted.accuse("b", by: "c", accuserGeneration: 1)
        #expect(restarted.status("b") == .alive)
        // Nor by a life that is not known yet, until it is.
        restarted.accuse("b", by: "c", accuserGeneration: 3)
        restarted.pass(.milliseconds(100))
        #expect(restarted.status("b") == .alive)
        restarted.say(.memberUpdated(Member(name: "c", generation: 3)))
        restarted.pass(.milliseconds(100))
        #expect(restarted.status("b") == .suspect)

        var refuted = Dialogue(others: ["b", "c", "d"])
        refuted.say(.memberUpdated(Member(name: "b", generation: 1, incarnation: 3)))
        refuted.accuse("b", by: "c", incarnation: 2)
        #expect(refuted.status("b") == .alive)
        // Of an incarnation that we have not heard of: it refuted, and was accused again.
        refuted.accuse("b", by: "c", incarnation: 4)
        #expect(refuted.status("b") == .suspect)
        refuted.say(.memberUpdated(Member(name: "b", generation: 1, incarnation: 4)))
        #expect(refuted.status("b") == .suspect)
        refuted.say(.memberUpdated(Member(name: "b", generation: 1, incarnation: 5)))
        #expect(refuted.status("b") == .alive)
    }

    @Test("An accusation of a member that is ours to judge makes us dial it at once, without helpers")
    func judgesDialAtOnce() {
        var d = Dialogue(others: ["b", "c", "d"])
        d.pass(.milliseconds(1_000))
        #expect(
            d.accuse("b", by: "c") == [.declareSuspect(target: "b", generation: 1, incarnation: 0)] + probes("b")
        )
        // The same again, or another soon after, does not repeat it.
        #expect(d.accuse("b", by: "c").isEmpty && d.accuse("b", by: "d").isEmpty)
        d.result("b", .answered)
        #expect(d.status("b") == .suspect)
        #expect(d.pass(.milliseconds(500)).isEmpty)
    }

    /// Found by the simulator, seed 336 of the swarm: nodes far from each other accused each other for ever.
    @Test("A dial may take twice what the last answer took, by the round trip of the link or by a dial; a look back takes its time")
    func farPeersAreGivenTime() {
        var d = Dialogue(others: ["b", "c"])
        d.say(.heartbeat(name: "b", generation: 1, roundTrip: .milliseconds(280)))
        d.pass(.milliseconds(100))
        let far = Array(repeating: DetectorAction.probe(target: "b", generation: 1, timeout: .milliseconds(1_120)), count: 3)
        #expect(d.say(.linkClosed(name: "b", generation: 1, cause: .timedOut)).prefix(3) == far[...])
        // A helper that is nearer says no at once; we wait for our own dials.
        d.result("b", .unreachable, helper: "c")
        #expect(d.pass(.milliseconds(1_000)).isEmpty && d.status("b") == .alive)

        // Nothing is known of c: it is accused, and when a look finds it back, the next dial takes that long.
        d.say(.linkClosed(name: "c", generation: 1, cause: .timedOut))
        for _ in 0..<3 { d.result("c", .unreachable) }
        d.pass(.milliseconds(700))
        #expect(d.status("c") == .suspect)
        let look = DetectorAction.probe(target: "c", generation: 1, timeout: .milliseconds(1_200))
        #expect(d.pass(.milliseconds(2_000)).contains(look))
        d.say(.probeResult(target: "c", generation: 1, helper: nil, outcome: .answered, duration: .milliseconds(640)))
        #expect(d.status("c") == .alive)
        d.say(.linkOpened(name: "c", generation: 1))
        let next = d.say(.linkClosed(name: "c", generation: 1, cause: .timedOut))
        #expect(next.contains(.probe(target: "c", generation: 1, timeout: .milliseconds(1_280))))
        // A near answer is a near peer again.
        d.say(.probeResult(target: "c", generation: 1, helper: nil, outcome: .answered, duration: .milliseconds(1)))
        d.say(.linkOpened(name: "c", generation: 1))
        #expect(d.say(.linkClosed(name: "c", generation: 1, cause: .timedOut)).contains(.probe(target: "c", generation: 1)))
    }

    @Test("A majority of the judges is death after the suspicion time, and not before it has stood for the time of a refutation")
    func majority() {
        var d = Dialogue(others: ["b", "c", "d", "e"])
        d.accuse("b", by: "c")
        d.accuse("b", by: "d")
        d.result("b", .answered)
        #expect(d.pass(.seconds(21), hearing: ["b", "c", "d", "e"], answering: ["b"]).allSatisfy { !isDeath($0) })
        #expect(d.status("b") == .suspect && d.detector.member("b", at: d.now)?.accusers == ["c", "d"])
        // Two of four judges are no majority; with the third the suspicion time is over, but the accused may not know of it yet.
        d.accuse("b", by: "e")
        // It answers our last look: the others' word must have stood for the longest suspicion time.
        let soon = d.pass(.milliseconds(5_900), hearing: ["b", "c", "d", "e"], answering: ["b"])
        #expect(soon.allSatisfy { !isDeath($0) })
        let end = d.pass(.milliseconds(300), hearing: ["b", "c", "d", "e"], answering: ["b"])
        #expect(end.contains(.declareDead(target: "b", generation: 1, incarnation: 0, reason: .majority)))
    }

    /// Found by the simulator, seeds 16, 136 and 20261126202 of the swarm: when a split healed, each side's members were buried by
    /// their own side.
    @Test(
        "Accusations that arrive all at once, as after a split, leave the accused who answers the longest suspicion time to refute",
        arguments: [true, false]
    )
    func oldAccusations(hasVerdict: Bool) {
        var refuted = Dialogue(others: ["b", "c", "d", "e"], isLinked: false)
        var silent = refuted
        for accuser in ["c", "d", "e"] {
            refuted.accuse("b", by: accuser, hasVerdict: hasVerdict)
            silent.accuse("b", by: accuser, hasVerdict: hasVerdict)
        }
        #expect(refuted.pass(.milliseconds(5_500), answering: ["b", "c", "d", "e"]).allSatisfy { !isDeath($0) })
        _ = refuted.say(.memberUpdated(Member(name: "b", generation: 1, incarnation: 1)))
        refuted.pass(.seconds(20), answering: ["b", "c", "d", "e"])
        #expect(refuted.status("b") == .alive)
        silent.pass(.seconds(20), answering: ["c", "d", "e"])
        #expect(silent.status("b") == .dead)
    }

    @Test("Accusations that arrive one after the other decide in the usual time, and so do ours and refused dials", arguments: 0..<3)
    func freshAccusations(way: Int) {
        var d = Dialogue(others: ["b", "c", "d", "e"], isLinked: false)
        d.pass(.seconds(1))
        for accuser in ["c", "d", "e"] {
            d.accuse("b", by: accuser, way == 1 ? .crashed : .silent)
            d.result("b", way == 2 ? .unreachable : .answered)
            if way == 0 { d.pass(.milliseconds(500), hearing: ["c", "d", "e"], answering: ["b"]) }
        }
        d.pass(.milliseconds(2_500), hearing: ["c", "d", "e"], answering: way == 2 ? [] : ["b"])
        #expect(d.status("b") == .dead)
    }

    private static func lastLook(_ target: String) -> DetectorAction {
        .probe(target: target, generation: 1, timeout: .milliseconds(1_200))
    }

    /// `a`, which does not judge `target`, hears its judges accuse it one after the other, a moment after somebody else came back.
    private func hearsayAfterReprieve(
        isAnswering: Bool
    ) -> (Dialogue, target: String, others: [String], actions: [DetectorAction]) {
        let others = (1...30).map { "n\($0)" }
        var d = Dialogue(others: others, isLinked: false)
        let reports = d.detector.members(at: d.now)
        let target = reports.first { !$0.monitors.contains("a") }
        let judges = target?.monitors ?? []
        let name = target?.name ?? ""
        let returned = others.first { $0 != name && !judges.contains($0) } ?? ""
        d.accuse(returned, by: judges.first ?? "")
        d.say(.retraction(accuser: judges.first ?? "", target: returned))
        d.pass(.milliseconds(500), answering: others)
        var actions: [DetectorAction] = []
        for judge in judges {
            actions += d.accuse(name, by: judge)
            actions += d.pass(.milliseconds(100), answering: others.filter { isAnswering || $0 != name })
        }
        return (d, name, others, actions)
    }

    @Test("While members come back, others' word alone is looked into: who answers us has the longest suspicion time to refute")
    func lastLookAnswered() {
        var (d, target, others, actions) = self.hearsayAfterReprieve(isAnswering: true)
        actions += d.pass(.seconds(5), answering: others)
        #expect(actions.contains(Self.lastLook(target)))
        #expect(d.status(target) == .suspect)
        d.say(.memberUpdated(Member(name: target, generation: 1, incarnation: 1)))
        d.pass(.seconds(20), answering: others)
        #expect(d.status(target) == .alive)
    }

    @Test("Who does not answer the last look dies of others' word in the usual time, and we accuse nobody whom we do not judge")
    func lastLookInVain() {
        var (d, target, others, actions) = self.hearsayAfterReprieve(isAnswering: false)
        actions += d.pass(.milliseconds(2_500), answering: others.filter { $0 != target })
        #expect(actions.count { $0 == Self.lastLook(target) } == 3)
        #expect(actions.contains(.declareDead(target: target, generation: 1, incarnation: 0, reason: .majority)))
        #expect(
            !actions.contains {
                if case .accuse(target, _, _, _) = $0 { true } else { false }
            }
        )
    }

    @Test("Who answers the last look and never refutes is dead after the longest suspicion time")
    func lastLookIsNoReprieve() {
        var (d, target, others, _) = self.hearsayAfterReprieve(isAnswering: true)
        d.pass(.seconds(20), answering: others)
        #expect(d.status(target) == .dead)
    }

    @Test("Where nobody came back lately, others' word decides without a look of ours")
    func settledMajority() {
        var d = Dialogue(others: (1...30).map { "n\($0)" }, isLinked: false)
        let target = d.detector.members(at: d.now).first { !$0.monitors.contains("a") }
        let name = target?.name ?? ""
        var actions: [DetectorAction] = []
        for judge in target?.monitors ?? [] {
            d.accuse(name, by: judge)
            actions += d.pass(.milliseconds(100))
        }
        actions += d.pass(.milliseconds(2_100))
        #expect(d.status(name) == .dead)
        #expect(!actions.contains(Self.lastLook(name)) && !actions.contains(probes(name)[0]))
    }

    @Test("Where round trips take long a majority waits for eight of them; after as many quick ones it does not")
    func slowNetworks() {
        for quick in [0, 80] {
            var d = Dialogue(others: ["b", "c", "d", "e"], isLinked: false)
            d.say(.linkOpened(name: "c", generation: 1))
            d.say(.heartbeat(name: "c", generation: 1, roundTrip: .milliseconds(600)))
            for _ in 0..<quick {
                d.say(.heartbeat(name: "c", generation: 1, roundTrip: .milliseconds(1)))
            }
            for accuser in ["c", "d", "e"] {
                d.accuse("b", by: accuser)
                d.pass(.milliseconds(100), hearing: ["c"])
            }
            d.pass(.milliseconds(4_000), hearing: ["c", "d", "e"])
            #expect(d.status("b") == (quick > 0 ? .dead : .suspect))
            d.pass(.milliseconds(1_500), hearing: ["c", "d", "e"])
            #expect(d.status("b") == .dead)
        }
    }

    @Test("The order in which accusations, members and restarts become known does not change the outcome")
    func orderDoesNotMatter() {
        let facts: [DetectorInput] =
            ["b", "c", "d", "e"].map { .memberUpdated(Member(name: $0, generation: $0 == "e" ? 2 : 1, isDiallable: true)) }
            + ["c", "d", "e"].map {
                .accusation(
                    Accusation(
                        accuser: $0,
                        accuserGeneration: $0 == "e" ? 2 : 1,
                        target: "b",
                        generation: 1,
                        incarnation: 0,
                        reason: .crashed
                    )
                )
            }
            + [.memberUpdated(Member(name: "e", generation: 1))]
        var random = DetectorRandom(seed: 5)
        var seen: Set<MemberStatus> = []
        for _ in 0..<300 {
            var d = Dialogue(others: [])
            for fact in facts.shuffled(using: &random) {
                d.say(fact)
            }
            d.pass(.seconds(3))
            seen.insert(d.status("b") ?? .left)
            #expect(d.detector.brokenInvariant == nil)
        }
        #expect(seen == [.dead])
    }

    @Test("While nothing goes on ticks are asked for less often, and a silence is seen no later for that")
    func calmTicks() {
        /// When `b`, who goes silent after 20 seconds, is dialled; and how many ticks that took.
        func firstProbe(allTicks: Bool) -> (at: DetectorTime, ticks: Int) {
            var d = Dialogue(others: ["b", "c"])
            var (interval, nextTick, ticks) = (Duration.milliseconds(100), d.now, 0)
            while d.now.microseconds < 60_000_000 {
                d.now += .milliseconds(10)
                var inputs: [DetectorInput] = []
                if d.now.microseconds % 2_000_000 == 0 {
                    let heard = d.now.microseconds < 20_000_000 ? ["b", "c"] : ["c"]
                    inputs = heard.map { .heartbeat(name: $0, generation: 1, roundTrip: nil) }
                }
                if d.now >= nextTick {
                    nextTick = d.now + (allTicks ? .milliseconds(100) : interval)
                    ticks += 1
                    inputs.append(.tick)
                }
                for action in inputs.flatMap({ d.detector.handle($0, now: d.now) }) {
                    switch action {
                    case .probe("b", _, _): return (d.now, ticks)
                    case .tick(let new): (interval, nextTick) = (new, allTicks ? nextTick : d.now + new)
                    default: break
                    }
                }
            }
            return (d.now, ticks)
        }
        let (all, few) = (firstProbe(allTicks: true), firstProbe(allTicks: false))
        #expect(few.at - all.at <= .milliseconds(100))
        #expect(few.ticks * 3 < all.ticks)
    }

    @Test("Whatever needs a decision brings all ticks back at once", arguments: ["accusation", "lost link", "new member"])
    func ticksComeBack(_ news: String) {
        var d = Dialogue(others: ["b", "c", "d"])
        d.pass(.seconds(10), hearing: ["b", "c", "d"])
        #expect(d.detector.tickPeriod == 500_000)
        let input: DetectorInput =
            switch news {
            case "accusation":
                .accusation(Accusation(accuser: "b", accuserGeneration: 1, target: "c", generation: 1, incarnation: 0, reason: .silent))
            case "lost link": .linkClosed(name: "b", generation: 1, cause: .reset)
            default: .memberUpdated(Member(name: "e", generation: 1))
            }
        #expect(d.detector.handle(input, now: d.now).contains(.tick(every: .milliseconds(100))))
    }

    /// Found by the scenario ghosts: others, who forget a moment later, took the retraction for evidence of life.
    @Test("Who forgets takes no accusation back")
    func forgettingRetractsNothing() {
        var d = Dialogue(others: ["b", "c"], isLinked: false)
        d.pass(.seconds(10), answering: ["c"])
        d.accuse("b", by: "c")
        d.pass(.seconds(10), answering: ["c"])
        #expect(d.status("b") == .dead && d.detector.member("b", at: d.now)?.accusers.contains("a") == true)
        #expect(d.say(.memberForgotten(name: "b")).isEmpty)
        #expect(d.pass(.seconds(5), answering: ["c"]).allSatisfy { $0 != .retract(target: "b") })
    }

    @Test("The dead stay dead when their accusers leave, and come back when all accusers heard from them")
    func deathIsSticky() {
        var d = Dialogue(others: ["b", "c", "d", "e"])
        d.say(.linkClosed(name: "b", generation: 1, cause: .closedByUs))
        for accuser in ["c", "d", "e"] {
            d.accuse("b", by: accuser, .crashed)
        }
        #expect(d.status("b") == .dead)
        var leaving = d
        for accuser in ["c", "d", "e"] {
            leaving.say(.memberUpdated(Member(name: accuser, generation: 1, hasLeft: true)))
        }
        leaving.pass(.milliseconds(300))
        leaving.say(.retraction(accuser: "c", target: "b"))
        #expect(leaving.status("b") == .dead)
        // Heard while the majority stands: only its refutation counts.
        #expect(d.say(.linkOpened(name: "b", generation: 1)).isEmpty)
        #expect(d.say(.retraction(accuser: "c", target: "b")) == [.declareSuspect(target: "b", generation: 1, incarnation: 0)])
        #expect(d.say(.retraction(accuser: "d", target: "b")).isEmpty)
        #expect(d.say(.retraction(accuser: "e", target: "b")) == [.declareAlive(target: "b", generation: 1, incarnation: 0)])
    }

    @Test("Reasons that change again and again make nobody accuse again, nor check more than once a second", arguments: [true, false])
    func changingReasonsAreNoNews(isDead: Bool) {
        var d = Dialogue(others: ["b", "c", "d", "e"])
        d.say(.linkClosed(name: "b", generation: 1, cause: .reset))
        for _ in 0..<3 { d.result("b", .refused) }
        if isDead {
            d.accuse("b", by: "d", .crashed)
            d.accuse("b", by: "e", .crashed)
        }
        #expect(d.status("b") == (isDead ? .dead : .suspect))
        var actions: [DetectorAction] = []
        for round in 0..<1_000 {
            actions += d.accuse("b", by: "c", AccusationReason.allCases[round % AccusationReason.allCases.count])
            for action in d.pass(.milliseconds(100), hearing: ["c", "d", "e"]) {
                actions.append(action)
                if case .probe("b", 1, _) = action { actions += d.result("b", .refused) }
            }
        }
        #expect(!actions.contains { if case .accuse = $0 { true } else { false } })
        // A check is three dials; 100 s have passed.
        #expect(actions.filter { $0 == .probe(target: "b", generation: 1) }.count <= (isDead ? 0 : 3 * 100))
        #expect(d.status("b") == (isDead ? .dead : .suspect))
    }

    @Test("A judge of a dead member who has not said so dials it and joins in, so that later joiners find judges")
    func deathIsConfirmed() {
        var d = Dialogue(others: ["b", "c", "d", "e"])
        d.say(.linkClosed(name: "b", generation: 1, cause: .closedByUs))
        for accuser in ["c", "d", "e"] {
            d.accuse("b", by: accuser, .crashed)
        }
        #expect(d.pass(.milliseconds(200)).filter { $0 == .probe(target: "b", generation: 1) }.count == 3)
        d.result("b", .refused)
        d.result("b", .refused)
        #expect(d.result("b", .refused) == [.accuse(target: "b", generation: 1, incarnation: 0, reason: .unreachable)])
    }

    @Test("Only members with a detector judge; with none beside us, our word decides")
    func bystandersDoNotJudge() {
        var d = Dialogue(others: [])
        for name in ["b", "c", "d"] {
            d.say(.memberUpdated(Member(name: name, generation: 1, hasDetector: false, isDiallable: true)))
            d.say(.linkOpened(name: name, generation: 1))
        }
        #expect(d.detector.members(at: d.now).allSatisfy { $0.judges == ["a"] && $0.hasSoleJudge && $0.monitors == ["a"] })
        #expect(d.say(.linkClosed(name: "b", generation: 1, cause: .reset)) == probes("b"))
        #expect(d.result("b", .refused).last == .declareDead(target: "b", generation: 1, incarnation: 0, reason: .crashed))
    }

    @Test("A pause of our own loop is never held against others, and judgement waits for a fair chance")
    func ownPause() {
        var d = Dialogue(others: ["b", "c"])
        d.pass(.seconds(20), hearing: ["b", "c"])
        d.now += .seconds(30)
        #expect(d.say(.tick).isEmpty)
        #expect(d.detector.phi(of: "b", at: d.now) < 1 && d.detector.localHealth == 1)
        // Lost during the pause, it seems; nobody answers, in both rounds that our doubt in ourselves asks for. Not judged before
        // the hold is over, then checked again.
        d.say(.linkClosed(name: "b", generation: 1, cause: .timedOut))
        for _ in 0..<2 {
            d.result("b", .unreachable, helper: "c")
            for _ in 0..<3 { d.result("b", .unreachable) }
        }
        #expect(d.status("b") == .alive && d.detector.story(of: "b").last?.event == .judgementHeld)
        #expect(d.detector.story(of: "b").contains { $0.event == .ownPause(.milliseconds(29_500)) })
        #expect(d.pass(.milliseconds(1_900), hearing: ["c"]).isEmpty)
        #expect(d.pass(.milliseconds(200), hearing: ["c"]).contains(.probe(target: "b", generation: 1)))
        #expect(d.pass(.seconds(3), hearing: ["c"]).contains(.accuse(target: "b", generation: 1, incarnation: 0, reason: .linkLost)))
        // A pause that another input reveals before the tick is one too.
        var early = Dialogue(others: ["b"])
        early.now += .seconds(30)
        early.say(.heartbeat(name: "b", generation: 1, roundTrip: nil))
        #expect(early.detector.localHealth == 1 && early.pass(.seconds(3)).isEmpty)
    }

    @Test("Our health worsens with doubts, stretches our patience, and recovers in calm")
    func localHealth() {
        var d = Dialogue(others: ["b", "c"])
        for _ in 0..<5 { d.say(.selfAccused(by: "b")) }
        #expect(d.detector.localHealth == 1)
        d.pass(.seconds(1))
        d.say(.selfAccused(by: "c"))
        #expect(d.detector.localHealth == 2)
        let patient = d.detector.phi(of: "b", at: d.now + .seconds(4))
        d.pass(.seconds(10), hearing: ["b", "c"])
        #expect(d.detector.localHealth == 0)
        d.say(.heartbeat(name: "b", generation: 1, roundTrip: nil))
        #expect(patient < 1 && d.detector.phi(of: "b", at: d.now + .seconds(5)) > 8)
        for second in 1...20 {
            d.now += .seconds(Int64(second))
            d.say(.tick)
        }
        #expect(d.detector.localHealth <= 8)
    }

    @Test("Inputs about another life, about nobody, or about ourselves change nothing")
    func strangersAreIgnored() {
        for (name, generation): (String, UInt64) in [("b", 7), ("nobody", 1), ("a", 1)] {
            var d = Dialogue(others: ["b", "c"])
            let before = d.detector.members(at: d.now)
            let inputs: [DetectorInput] = [
                .linkOpened(name: name, generation: generation), .linkClosed(name: name, generation: generation, cause: .reset),
                .heartbeat(name: name, generation: generation, roundTrip: nil), .activity(name: name, generation: generation),
                .probeResult(target: name, generation: generation, helper: nil, outcome: .answered),
                .probeResult(target: "b", generation: 1, helper: "nobody", outcome: .answered),
                .retraction(accuser: name, target: "b"), .retraction(accuser: "b", target: name),
            ]
            for input in inputs {
                #expect(d.say(input).isEmpty, "\(input)")
            }
            #expect(d.detector.members(at: d.now) == before)
        }
    }

    @Test("A member that is ours to watch and has no link is dialled after the allowed silence")
    func unlinkedNeighbors() {
        var d = Dialogue(others: ["b"], isLinked: false)
        #expect(d.pass(.seconds(3)).isEmpty)
        #expect(d.pass(.milliseconds(200)) == probes("b"))
    }

    @Test("A peer that dialled us is dialled once, so that a later refusal proves its end")
    func diallableIsVerified() {
        var d = Dialogue(others: [])
        d.say(.memberUpdated(Member(name: "b", generation: 1)))
        d.say(.linkOpened(name: "b", generation: 1))
        #expect(d.pass(.milliseconds(1_500), hearing: ["b"]) == probes("b", 1))
        d.result("b", .answered)
        #expect(d.detector.member("b", at: d.now)?.isDiallable == true)
        #expect(d.pass(.seconds(60), hearing: ["b"]).isEmpty)
        // A peer behind NAT costs ever fewer dials, and is not suspected for it.
        var nat = Dialogue(others: [])
        nat.say(.memberUpdated(Member(name: "b", generation: 1)))
        nat.say(.linkOpened(name: "b", generation: 1))
        var dials = 0
        for _ in 0..<600 {
            for action in nat.pass(.seconds(1), hearing: ["b"]) {
                #expect(action == .probe(target: "b", generation: 1))
                dials += 1
                nat.result("b", .unreachable)
            }
        }
        #expect(dials >= 3 && dials <= 8 && nat.status("b") == .alive)
    }

    @Test("A new generation of our own says again what stands; an own accusation we do not hold is taken out of the lane")
    func ownLane() {
        var d = Dialogue(others: ["b"])
        d.say(.linkClosed(name: "b", generation: 1, cause: .timedOut))
        for _ in 0..<3 { d.result("b", .unreachable) }
        #expect(
            d.say(.selfUpdated(name: "a", generation: 2)) == [
                .accuse(target: "b", generation: 1, incarnation: 0, reason: .linkLost)
            ]
        )
        #expect(d.say(.selfUpdated(name: "a", generation: 2)).isEmpty)
        var fresh = Dialogue(others: ["b"])
        #expect(fresh.accuse("b", by: "a") == [.retract(target: "b")])
        fresh.say(.selfUpdated(name: "b", generation: 9))
        #expect(fresh.detector.name == "b" && fresh.detector.members(at: fresh.now).isEmpty)
        #expect(fresh.detector.brokenInvariant == nil)
    }

    @Test("Settings change at run time: threshold at once, a new rhythm with fresh windows, nonsense clamped")
    func settingsChange() {
        var d = Dialogue(others: ["b"])
        d.pass(.seconds(20), hearing: ["b"])
        d.say(.settingsChanged(DetectorSettings(phiThreshold: 2, acceptablePause: .milliseconds(200))))
        #expect(d.pass(.milliseconds(2_600)).contains(.probe(target: "b", generation: 1)))
        d.result("b", .answered)
        d.say(.settingsChanged(DetectorSettings(heartbeatInterval: .seconds(10))))
        #expect(d.pass(.seconds(10)).isEmpty)
        #expect(d.pass(.seconds(10)).contains(.probe(target: "b", generation: 1)))
        let nonsense = DetectorSettings(
            phiThreshold: .nan,
            windowSize: -1,
            minimumDeviation: .zero,
            acceptablePause: .seconds(-1),
            heartbeatInterval: .seconds(Int64.max),
            probeTimeout: .zero,
            parallelProbes: 0,
            helperCount: -5,
            suspicionMinimum: .seconds(-1),
            suspicionMaximum: .seconds(-2),
            suspicionConfirmations: 0,
            probeRate: 0,
            probeBurst: 0,
            reachabilityLifetime: .zero,
            tickInterval: .zero,
            storyLength: 0
        )
        d.say(.settingsChanged(nonsense))
        #expect(d.detector.settings == nonsense.clamped() && d.detector.settings.phiThreshold == 8)
        d.pass(.seconds(1))
        #expect(d.detector.story(of: "b").count == 1)
    }

    @Test("An accusation of ours that is refuted makes us doubt ourselves, unless most judges shared it")
    func refutedAlone() {
        for (sharing, health) in [([], 1), (["c"], 1), (["c", "d"], 0)] {
            var d = Dialogue(others: ["b", "c", "d", "e"])
            d.say(.linkClosed(name: "b", generation: 1, cause: .timedOut))
            for _ in 0..<3 { d.result("b", .unreachable) }
            for helper in ["c", "d", "e"] { d.result("b", .unreachable, helper: helper) }
            for accuser in sharing { d.accuse("b", by: accuser) }
            #expect(d.status("b") == .suspect && d.detector.localHealth == 0)
            d.say(.memberUpdated(Member(name: "b", generation: 1, incarnation: 1)))
            #expect(d.status("b") == .alive && d.detector.localHealth == health, "\(sharing)")
        }
    }

    @Test("Who becomes a judge of a suspect dials it at once, however long the next check was to wait")
    func newJudgesDialAtOnce() throws {
        // With 17 nodes the rings count, with 16 everybody judges everybody.
        let names = (0..<16).map { "n\($0)" }
        var d = Dialogue(others: names)
        let strangers = d.detector.members(at: d.now).filter { !$0.monitors.contains("a") }.map(\.name)
        let target = try #require(strangers.first)
        // Links lost and found again: each check doubles the pause before one that nothing asks for.
        for _ in 0..<5 {
            d.say(.linkClosed(name: target, generation: 1, cause: .timedOut))
            d.result(target, .answered)
        }
        d.pass(.seconds(2), hearing: names)
        let accuser = try #require(d.detector.member(target, at: d.now)?.monitors.first)
        #expect(!d.accuse(target, by: accuser).contains(where: isProbe))
        d.say(.linkClosed(name: target, generation: 1, cause: .closedByUs))
        #expect(!d.pass(.milliseconds(300), hearing: names).contains(.probe(target: target, generation: 1)))
        let leaver = try #require(names.first { $0 != target && $0 != accuser })
        d.say(.memberUpdated(Member(name: leaver, generation: 1, hasLeft: true)))
        #expect(d.pass(.milliseconds(100)).contains(.probe(target: target, generation: 1)))
    }

    @Test("Counters tell what was done: checks, probes, accusations, deaths and what was taken back")
    func statistics() {
        var d = Dialogue(others: ["b", "c"])
        d.say(.linkClosed(name: "b", generation: 1, cause: .ended))
        d.result("b", .refused)
        d.accuse("b", by: "c", .crashed)
        d.say(.memberUpdated(Member(name: "b", generation: 1, incarnation: 1)))
        d.say(.linkClosed(name: "c", generation: 1, cause: .timedOut))
        d.result("c", .answered)
        d.now += .seconds(10)
        d.say(.tick)
        var expected = DetectorStatistics()
        expected.checks = 2
        expected.probes = 6
        expected.probesThroughOthers = 2
        expected.probesAnswered = 1
        expected.accusations = 1
        expected.retractions = 1
        expected.suspicions = 1
        expected.deaths = 1
        expected.deathsTakenBack = 1
        expected.ownPauses = 1
        #expect(d.detector.statistics == expected)
    }

    @Test("The story of a death tells silence, probes, accusations and the decision, in readable lines")
    func story() {
        var d = Dialogue(others: ["b", "c"])
        d.pass(.seconds(10), hearing: ["b", "c"])
        d.pass(.seconds(4), hearing: ["c"])
        for _ in 0..<3 { d.result("b", .unreachable) }
        d.result("b", .unreachable, helper: "c")
        d.accuse("b", by: "c", .unreachable)
        d.pass(.seconds(4), hearing: ["c"])
        d.accuse("b", by: "c", .unreachable, hasVerdict: true)
        let lines = d.detector.story(of: "b").map(\.event.description)
        for part in [
            "heard", "phi 8.", "checking (silent): 3 fresh dials, asked c", "probe by us: no answer", "probe through c: no answer",
            "accused by us: silent", "accused by c: unreachable", "suspect", "judged by a, c", "c declared it dead",
            "dead: accused by a majority of its judges for the suspicion time (2 of 2 judges accuse it)",
        ] {
            #expect(lines.contains { $0.hasPrefix(part) }, "\(part) is missing in \(lines)")
        }
        #expect(DetectorTime(microseconds: 61_005_000).description == "61.005 s")
    }
}

func isDeath(_ action: DetectorAction) -> Bool {
    if case .declareDead = action { return true }
    return false
}
