// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GoferBrokeMembership

@Suite("Bounds")
struct BoundsTests {
    @Test("Five hundred links lost at once start checks at the bounded rate, none is forgotten")
    func rateIsBounded() {
        let names = (0..<500).map { "n\($0)" }
        var d = Dialogue(others: names, settings: DetectorSettings(helperCount: 0))
        var dials: [DetectorAction] = []
        for name in names {
            dials += d.say(.linkClosed(name: name, generation: 1, cause: .timedOut)).filter(isProbe)
        }
        #expect(dials.count == 64 * 3)
        var checked = Set(dials)
        for second in 1...14 {
            let more = d.pass(.seconds(1)).filter(isProbe)
            #expect(more.count <= 33 * 3, "second \(second)")
            checked.formUnion(more)
        }
        #expect(checked.count == 500)
    }

    @Test("Whom a split puts outside our component is dialled before it is accused, at half the burst and the bounded rate")
    func outsidersAreDialledSlowly() {
        let names = (0..<100).map { "n\($0)" }
        var d = Dialogue(others: names, settings: DetectorSettings(helperCount: 0), isLinked: false)
        let watched = d.detector.members(at: d.now).filter { $0.monitors.contains("a") }.map(\.name)
        for name in watched {
            d.say(.linkOpened(name: name, generation: 1))
        }
        d.pass(.milliseconds(100))
        for name in watched {
            d.say(.linkClosed(name: name, generation: 1, cause: .timedOut))
            for _ in 0..<3 { d.result(name, .unreachable) }
        }
        #expect(d.detector.members(at: d.now).filter { $0.status == .suspect }.count == watched.count)
        var dialled: Set<DetectorAction> = []
        let first = d.pass(.milliseconds(100)).filter(isProbe)
        #expect(!first.isEmpty && first.count <= 32 * 3)
        dialled.formUnion(first)
        for _ in 0..<5 {
            let more = d.pass(.seconds(1)).filter(isProbe)
            #expect(more.count <= 33 * 3)
            dialled.formUnion(more)
        }
        #expect(dialled.count > 90)
        // Whoever answers is back in and takes its neighbours along: not accused.
        for action in dialled {
            if case .probe(let target, _, _) = action, !watched.contains(target) {
                d.result(target, .answered)
            }
        }
        d.pass(.milliseconds(200))
        #expect(d.detector.members(at: d.now).filter { $0.status == .alive }.count >= 90 - watched.count)
    }

    @Test("Members that come and go, with all that is said of them, leave nothing behind")
    func stateDoesNotGrow() {
        var d = Dialogue(others: ["b", "c"])
        for round in 0..<1_100 {
            let name = "guest-\(round)"
            d.say(.memberUpdated(Member(name: name, generation: 1, isDiallable: round % 2 == 0)))
            d.say(.linkOpened(name: name, generation: 1))
            d.accuse(name, by: "b")
            d.accuse("b", by: name)
            d.say(.linkClosed(name: name, generation: 1, cause: .reset))
            d.result(name, .refused)
            d.pass(.milliseconds(100), hearing: ["b", "c"])
            d.say(.memberForgotten(name: name))
            d.accuse("stranger-\(round)", by: "b")
        }
        d.pass(.seconds(1), hearing: ["b", "c"])
        #expect(d.detector.records.count == 4 && d.detector.details.count <= 3)
        #expect(d.detector.index.count == 3 && d.detector.early.count == PhiAccrualDetector.earlyAccusations)
        #expect(d.detector.urgentQueue.count + d.detector.bulkQueue.count <= 3)
        #expect(d.detector.liveRings.count == 3)
        #expect(d.detector.brokenInvariant == nil)
    }

    @Test("Of one target at most 32 accusations are kept, and those of its judges are among them")
    func accusationsAreBounded() {
        let names = (0..<200).map { "n\($0)" }
        var d = Dialogue(others: names, isLinked: false)
        let judges = d.detector.member("n0", at: d.now)?.judges ?? []
        for name in judges + names where name != "n0" && name != "a" {
            d.accuse("n0", by: name)
        }
        let accusers = d.detector.member("n0", at: d.now)?.accusers ?? []
        #expect(accusers.count <= PhiAccrualDetector.accusationsPerTarget)
        #expect(judges.filter { $0 != "a" }.allSatisfy(accusers.contains))
    }

    @Test("The story keeps the last entries, in order, also when its length changes")
    func storyIsBounded() {
        var d = Dialogue(others: ["b"], settings: DetectorSettings(storyLength: 5))
        for _ in 0..<20 {
            d.say(.linkClosed(name: "b", generation: 1, cause: .closedByUs))
            d.say(.linkOpened(name: "b", generation: 1))
        }
        #expect(
            d.detector.story(of: "b").map(\.event) == [
                .linkOpened, .linkClosed(.closedByUs), .linkOpened, .linkClosed(.closedByUs), .linkOpened,
            ]
        )
        d.say(.settingsChanged(DetectorSettings(storyLength: 7)))
        for _ in 0..<3 { d.say(.linkClosed(name: "b", generation: 1, cause: .replaced)) }
        #expect(d.detector.story(of: "b").count == 7 && d.detector.story(of: "b").last?.event == .linkClosed(.replaced))
        d.say(.settingsChanged(DetectorSettings(storyLength: 2)))
        d.say(.linkClosed(name: "b", generation: 1, cause: .closedByUs))
        #expect(d.detector.story(of: "b").map(\.event) == [.linkClosed(.replaced), .linkClosed(.closedByUs)])
    }

    @Test("Any inputs in any order keep the books straight, and the same inputs give the same actions", arguments: 1...8)
    func anyInputs(seed: Int) {
        var first = Dialogue(others: [])
        var second = Dialogue(others: [])
        var random = DetectorRandom(seed: UInt64(seed))
        let names = (0..<(seed % 2 == 0 ? 6 : 24)).map { "n\($0)" } + ["a"]
        for step in 0..<4_000 {
            let input = anyInput(names, &random)
            let jump: Duration = random.index(below: 200) == 0 ? .seconds(5) : .milliseconds(Int64(random.index(below: 60)))
            first.now += jump
            second.now += jump
            let actions = first.say(input)
            #expect(actions == second.say(input))
            for action in actions {
                if case .declareDead(let target, _, _, _) = action {
                    #expect(target != "a")
                }
            }
            if let broken = first.detector.brokenInvariant {
                Issue.record("step \(step), \(input): \(broken)")
                return
            }
        }
    }

    private func anyInput(_ names: [String], _ random: inout DetectorRandom) -> DetectorInput {
        func name() -> String { names[random.index(below: names.count)] }
        func small() -> UInt64 { UInt64(1 + random.index(below: 3)) }
        switch random.index(below: 18) {
        case 0, 1, 2:
            return .memberUpdated(
                Member(
                    name: name(),
                    generation: small(),
                    incarnation: small(),
                    hasDetector: random.index(below: 4) != 0,
                    isDiallable: random.index(below: 2) == 0,
                    hasLeft: random.index(below: 12) == 0
                )
            )
        case 3: return .memberForgotten(name: name())
        case 4: return .linkOpened(name: name(), generation: small())
        case 5:
            let causes = LinkCloseCause.allCases
            return .linkClosed(name: name(), generation: small(), cause: causes[random.index(below: causes.count)])
        case 6, 7: return .heartbeat(name: name(), generation: small(), roundTrip: .milliseconds(1))
        case 8: return .activity(name: name(), generation: small())
        case 9, 10:
            let outcomes: [ProbeOutcome] = [.answered, .refused, .unreachable, .otherIdentity, .newerGeneration(small())]
            return .probeResult(
                target: name(),
                generation: small(),
                helper: random.index(below: 2) == 0 ? nil : name(),
                outcome: outcomes[random.index(below: outcomes.count)]
            )
        case 11, 12:
            let reasons = AccusationReason.allCases
            return .accusation(
                Accusation(
                    accuser: name(),
                    accuserGeneration: small(),
                    target: name(),
                    generation: small(),
                    incarnation: small(),
                    reason: reasons[random.index(below: reasons.count)],
                    hasVerdict: random.index(below: 3) == 0
                )
            )
        case 13: return .retraction(accuser: name(), target: name())
        case 14: return .selfAccused(by: name())
        case 15:
            return random.index(below: 20) == 0
                ? .selfUpdated(name: "a", generation: small())
                : .settingsChanged(DetectorSettings(windowSize: 4 + random.index(below: 3), storyLength: 1 + random.index(below: 9)))
        default: return .tick
        }
    }
}

func isProbe(_ action: DetectorAction) -> Bool {
    if case .probe = action { return true }
    return false
}

extension PhiAccrualDetector {
    /// A sentence about the first thing that does not fit together; nil where all does.
    var brokenInvariant: String? {
        for slot in self.records.indices {
            let record = self.records[slot]
            let id = Int32(slot)
            let name = "\(self.names[slot]) (\(slot))"
            if !record.isUsed {
                if record.detail >= 0 { return "\(name): a free slot has details" }
                if self.linked.contains(id) || self.checked.contains(id) || self.held.contains(id) { return "\(name): free but listed" }
                if self.accused.contains(id) || self.reached.contains(id) { return "\(name): free but accused or reached" }
                if self.urgentQueued.contains(id) || self.bulkQueued.contains(id) { return "\(name): free but queued" }
                continue
            }
            if self.index[NameKey(self.names[slot])] != id { return "\(name): not found by its name" }
            if id == self.selfSlot && record.status != .alive { return "self is \(record.status)" }
            if (record.status == .suspect) != self.suspects.contains(id) { return "\(name): list of suspects" }
            if (record.status == .dead) != self.deceased.contains(id) { return "\(name): list of the dead" }
            let isOnRings = self.liveRings.rings.map { ring in ring.contains { $0.slot == id } }
            if isOnRings != Array(repeating: record.isLive && record.hasDetector, count: 4) { return "\(name): rings \(isOnRings)" }
            if self.bystanders.contains(id) != (record.isLive && !record.hasDetector) { return "\(name): bystanders" }
            guard let detail = self.detail(id).map({ self.details[$0] }) else { continue }
            if detail.isLinked != self.linked.contains(id) || detail.isLinked != (detail.window != nil) { return "\(name): link" }
            if (detail.check != nil) != self.checked.contains(id) { return "\(name): list of checks" }
            if detail.check != nil, record.status == .left { return "\(name): has left and is checked" }
            if detail.standing.isEmpty == self.accused.contains(id) { return "\(name): list of the accused" }
            if detail.standing.contains(where: { $0.accuser == 0 }) != self.accusedByUs.contains(id) { return "\(name): our accusation" }
            if Set(detail.standing.map(\.accuser)).count != detail.standing.count { return "\(name): accused twice by one" }
            if detail.standing.contains(where: { !self.records[Int($0.accuser)].isUsed }) { return "\(name): accused by nobody" }
            if self.accusedByUs.contains(id), record.status == .alive || record.status == .left {
                return "\(name): accused by us and \(record.status)"
            }
            let hasFact = detail.ownFactAt != nil || detail.helperFact != nil
            if hasFact != self.reached.contains(id) { return "\(name): reachability" }
            if detail.standing.count > Self.accusationsPerTarget { return "\(name): too many accusations" }
        }
        for ring in self.liveRings.rings {
            for (left, right) in zip(ring, ring.dropFirst()) where left.hash > right.hash { return "ring out of order" }
        }
        if self.tokens < 0 || self.tokens > Int64(self.settings.probeBurst) * Self.token { return "tokens \(self.tokens)" }
        return nil
    }
}
