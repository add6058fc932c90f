// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GoferBrokeMembership

/// The baseline with self `a`; the others are alive, generation 1, linked, and heard every two seconds where a test says so.
struct PlainDialogue {
    var detector: PlainPhiDetector
    var now = DetectorTime.zero

    init(others: [String], isLinked: Bool = true) {
        self.detector = PlainPhiDetector(name: "a", generation: 1, seed: 1)
        for name in others {
            self.say(.memberUpdated(Member(name: name, generation: 1)))
            if isLinked {
                self.say(.linkOpened(name: name, generation: 1))
            }
        }
    }

    @discardableResult
    mutating func say(_ input: DetectorInput) -> [DetectorAction] {
        self.detector.handle(input, now: self.now)
    }

    @discardableResult
    mutating func pass(_ duration: Duration, hearing heard: [String] = []) -> [DetectorAction] {
        var actions: [DetectorAction] = []
        let end = self.now + duration
        while self.now < end {
            self.now += .milliseconds(100)
            if self.now.microseconds % 2_000_000 == 0 {
                for name in heard {
                    actions += self.say(.heartbeat(name: name, generation: 1, roundTrip: nil))
                }
            }
            actions += self.say(.tick)
        }
        return actions
    }

    @discardableResult
    mutating func accuse(_ target: String, by accuser: String, incarnation: UInt64 = 0, hasVerdict: Bool = true) -> [DetectorAction] {
        self.say(
            .accusation(
                Accusation(
                    accuser: accuser,
                    accuserGeneration: 1,
                    target: target,
                    generation: 1,
                    incarnation: incarnation,
                    reason: .silent,
                    hasVerdict: hasVerdict
                )
            )
        )
    }
}

@Suite("Plain phi")
struct PlainPhiTests {
    static let burial: [DetectorAction] = [
        .accuse(target: "b", generation: 1, incarnation: 0, reason: .silent),
        .declareDead(target: "b", generation: 1, incarnation: 0, reason: .silent),
    ]

    @Test("Silence over the threshold is death at once, told by an accusation; a heartbeat takes both back")
    func silenceIsDeath() {
        var d = PlainDialogue(others: ["b", "c"])
        #expect(d.pass(.seconds(60), hearing: ["b", "c"]).isEmpty)
        // 2 s + 1 s + 5.61 deviations: the two samples that the window began with still count, 62 ms.
        #expect(d.pass(.milliseconds(3_300), hearing: ["c"]).isEmpty)
        #expect(d.pass(.milliseconds(100), hearing: ["c"]) == Self.burial)
        #expect(d.detector.status(of: "b") == .dead && d.pass(.seconds(10), hearing: ["c"]).isEmpty)
        #expect(d.detector.member("b", at: d.now)?.accusers == ["a"])
        // Bytes that are no heartbeat do not count.
        #expect(d.say(.activity(name: "b", generation: 1)).isEmpty)
        #expect(
            d.say(.heartbeat(name: "b", generation: 1, roundTrip: nil)) == [
                .retract(target: "b"), .declareAlive(target: "b", generation: 1, incarnation: 0),
            ]
        )
        #expect(d.pass(.seconds(30), hearing: ["b", "c"]).isEmpty)
    }

    @Test("Nothing is asked of anybody: no probe for a lost link, an accusation or a neighbour without a link")
    func noProbes() {
        var d = PlainDialogue(others: ["b", "c"])
        d.pass(.seconds(20), hearing: ["b", "c"])
        #expect(d.say(.linkClosed(name: "b", generation: 1, cause: .reset)).isEmpty)
        #expect(d.accuse("c", by: "b", hasVerdict: false).isEmpty && d.detector.status(of: "c") == .alive)
        // The silence goes on without the link.
        #expect(d.pass(.seconds(4), hearing: ["c"]) == Self.burial)
        var unlinked = PlainDialogue(others: ["b"], isLinked: false)
        // A fresh window expects 2 s give or take 250 ms: 4.4 s after the first tick, which begins the wait.
        #expect(unlinked.pass(.milliseconds(4_300)).isEmpty)
        #expect(unlinked.pass(.milliseconds(300)) == Self.burial)
    }

    @Test("A pause of its own loop is held against everybody: it is the baseline")
    func ownPauseKills() {
        var d = PlainDialogue(others: ["b", "c"])
        d.pass(.seconds(20), hearing: ["b", "c"])
        d.now += .seconds(30)
        #expect(d.say(.tick).filter(isDeath).count == 2)
    }

    @Test("One verdict of another is death; a bare accusation is nothing; refuted or taken back it is over")
    func verdictsAreBelieved() {
        var d = PlainDialogue(others: ["b", "c", "d"])
        let death = DetectorAction.declareDead(target: "b", generation: 1, incarnation: 0, reason: .told)
        #expect(d.accuse("b", by: "c", hasVerdict: false).isEmpty)
        #expect(d.accuse("b", by: "c") == [death])
        #expect(d.accuse("b", by: "d").isEmpty)
        #expect(d.say(.retraction(accuser: "c", target: "b")).isEmpty)
        #expect(d.say(.retraction(accuser: "d", target: "b")) == [.declareAlive(target: "b", generation: 1, incarnation: 0)])
        #expect(d.accuse("b", by: "c") == [death])
        #expect(
            d.say(.memberUpdated(Member(name: "b", generation: 1, incarnation: 1))) == [
                .declareAlive(target: "b", generation: 1, incarnation: 1)
            ]
        )
        #expect(d.accuse("b", by: "d").isEmpty && d.detector.status(of: "b") == .alive)
        #expect(d.say(.memberUpdated(Member(name: "d", generation: 1, hasLeft: true))).isEmpty)
        #expect(d.accuse("b", by: "d", incarnation: 1).isEmpty && d.detector.status(of: "d") == .left)
    }

    @Test("A verdict that comes before the member it names counts when that is known")
    func earlyVerdicts() {
        var d = PlainDialogue(others: ["c"])
        #expect(d.accuse("b", by: "c").isEmpty && d.detector.accusationsOfOthers.count == 1)
        #expect(d.say(.memberUpdated(Member(name: "b", generation: 1))).filter(isDeath).count == 1)
        // Unless who gave it was forgotten meanwhile.
        var forgetful = PlainDialogue(others: ["c"])
        forgetful.accuse("b", by: "c")
        forgetful.say(.memberForgotten(name: "c"))
        forgetful.say(.memberUpdated(Member(name: "c", generation: 1)))
        #expect(!forgetful.say(.memberUpdated(Member(name: "b", generation: 1))).contains(where: isDeath))
        // Of a greater incarnation than is known: not yet.
        var ahead = PlainDialogue(others: ["b", "c"])
        #expect(ahead.accuse("b", by: "c", incarnation: 2).isEmpty)
        #expect(ahead.say(.memberUpdated(Member(name: "b", generation: 1, incarnation: 2))).contains(where: isDeath))
    }

    @Test("A later life begins anew, alive and with a fresh window; the old life's heartbeats mean nothing")
    func restart() {
        var d = PlainDialogue(others: ["b"])
        d.pass(.seconds(5))
        #expect(d.detector.status(of: "b") == .dead)
        #expect(
            d.say(.memberUpdated(Member(name: "b", generation: 2))) == [
                .retract(target: "b"), .declareAlive(target: "b", generation: 2, incarnation: 0),
            ]
        )
        #expect(d.say(.heartbeat(name: "b", generation: 1, roundTrip: nil)).isEmpty && d.detector.member("b", at: d.now)?.isLinked == false)
        #expect(d.pass(.milliseconds(4_300)).isEmpty && d.pass(.milliseconds(300)).contains(where: isDeath))
    }

    @Test("Leavers and the forgotten are not buried, and nothing of them is left")
    func leavers() {
        var d = PlainDialogue(others: ["b", "c"])
        d.pass(.seconds(5))
        #expect(d.say(.memberUpdated(Member(name: "b", generation: 1, hasLeft: true))) == [.retract(target: "b")])
        #expect(d.say(.memberForgotten(name: "c")) == [.retract(target: "c")])
        #expect(d.pass(.seconds(20)).isEmpty && d.detector.memberNames == ["b"] && d.detector.status(of: "b") == .left)
        #expect(d.detector.watches.isEmpty && d.detector.rings.count == 1)
    }

    @Test("A new generation of our own says again what stands; an own accusation that is not held is taken out of the lane")
    func ownLane() {
        var d = PlainDialogue(others: ["b"])
        d.pass(.seconds(5))
        #expect(d.say(.selfUpdated(name: "a", generation: 2)) == [Self.burial[0]])
        var fresh = PlainDialogue(others: ["b"])
        #expect(fresh.accuse("b", by: "a") == [.retract(target: "b")])
    }
}
