// SPDX-License-Identifier: Apache-2.0
// Accusations between core and detector, also after events were lost.

import Dispatch
import GoferBrokeConfiguration
import GoferBrokeMembership
import Testing

@testable import GoferBroke

@Suite struct AccusationTests {
    private func accusation(by accuser: String, of target: String) -> Accusation {
        Accusation(accuser: accuser, accuserGeneration: 1, target: target, generation: 1, incarnation: 0, reason: .linkLost)
    }

    private func member(_ name: String, links: Int = 0) -> GoferBroke.Member {
        GoferBroke.Member(
            name: name,
            generation: 1,
            incarnation: 0,
            status: .alive,
            address: nil,
            links: links,
            isSelf: false,
            hasDetector: true,
            isDiallable: false
        )
    }

    @Test func everyReasonSurvivesTheWire() {
        for reason in AccusationReason.allCases {
            #expect(AccusationReason(wire: UInt8(reason.wire)) == reason)
        }
        // 1 to 4 are on the wire since protocol 1.
        #expect((1...4).map { AccusationReason(wire: $0) } == [.silent, .crashed, .linkLost, .unreachable])
        #expect(AccusationReason(wire: 5) == .unreachable, "a reason of a later version")
    }

    @Test func whatStandsInALaneIsDecodedOrLeftOut() {
        func decode(_ bytes: [UInt8], key: DeltaLabel = "n4") -> Accusation? {
            Accusation(
                Delta(
                    participant: "n2",
                    generation: 7,
                    lane: .membership,
                    group: "accuse",
                    key: key,
                    version: 3,
                    type: .bytes,
                    bytes: bytes
                )
            )
        }
        #expect(
            decode([9, 2, 3, 1])
                == Accusation(
                    accuser: "n2",
                    accuserGeneration: 7,
                    target: "n4",
                    generation: 9,
                    incarnation: 2,
                    reason: .linkLost,
                    hasVerdict: true
                )
        )
        #expect(decode([9, 2, 0, 0]) == nil, "retracted")
        #expect(decode([9, 2]) == nil, "cut off")
        #expect(decode([]) == nil)
        #expect(decode([9, 2, 1, 0], key: DeltaLabel(bytes: [0xff])) == nil, "no name")
    }

    @Test func theDetectorCatchesUpWithWhatStands() {
        let box = DetectorBox(detector: PhiAccrualDetector(name: "me", generation: 1, settings: DetectorSettings(), seed: 1))
        let all = ["a", "b", "c"].map { self.member($0, links: 1) }
        _ = box.catchUp(members: all, accusations: [self.accusation(by: "a", of: "b")], time: 1_000)
        let accusers = { (name: String) in box.reports().first { $0.name == name }?.accusers }
        #expect(accusers("b") == ["a"])
        #expect(box.reports().map(\.isLinked) == [true, true, true])
        // The retraction, another accusation, a lost link and a forgotten member were never told of.
        _ = box.catchUp(
            members: [self.member("a", links: 1), self.member("b")],
            accusations: [self.accusation(by: "b", of: "a")],
            time: 2_000
        )
        #expect(accusers("b") == [])
        #expect(accusers("a") == ["b"])
        #expect(box.reports().map(\.name) == ["a", "b"])
        #expect(box.reports().map(\.isLinked) == [true, false])
        #expect(box.explanation(of: "b").story.contains { $0.event == .linkClosed(.timedOut) })
    }

    @Test func aMemberThatIsLinkedStillIsNotProvedAliveByCatchingUp() {
        let box = DetectorBox(detector: PhiAccrualDetector(name: "me", generation: 1, settings: DetectorSettings(), seed: 1))
        let members = [self.member("a", links: 1)]
        _ = box.catchUp(members: members, accusations: [], time: 1_000)
        let story = box.explanation(of: "a").story.count
        _ = box.catchUp(members: members, accusations: [], time: 2_000)
        #expect(box.explanation(of: "a").story.count == story)
    }

    /// A logger that keeps its caller, the node's queue, from a certain line on until it is let go.
    private final class Gate: Sendable {
        let reached = Mailbox(Once<Void>())
        private let opened = DispatchSemaphore(value: 0)
        private let line: String

        init(at line: String) {
            self.line = line
        }

        func pass(_ line: LogLine) {
            guard "\(line.message) \(line.metadata["member"] ?? "")" == self.line else { return }
            self.reached.update { $0.set(()) }
            self.opened.wait()
        }

        func open() {
            self.opened.signal()
        }
    }

    /// With the baseline, which asks nobody and waits for nothing beyond its threshold.
    @Test func anotherDetectorJudges() async throws {
        var cluster = TestCluster()
        do {
            for name in ["n1", "n2"] {
                try await cluster.add(name) { configuration in
                    configuration.cluster.configuration.heartbeatInterval = .milliseconds(200)
                    configuration.cluster.configuration.phiAcceptablePause = .milliseconds(100)
                    configuration.detector = { PlainPhiDetector(name: $0, generation: $1, settings: $2, seed: $3) }
                }
            }
            try await cluster.converge()
            let survivor = cluster.nodes[0]
            try await eventually("n1 is linked to n2") { survivor.member(named: "n2")?.links ?? 0 > 0 }
            await cluster.nodes[1].shutdown()
            try await eventually("n2 is dead for n1") { survivor.member(named: "n2")?.status == .dead }
            #expect(survivor.explain("n2").contains { $0.hasSuffix("dead: silent: phi over the threshold (1 of 1 judges accuse it)") })
        } catch {
            await cluster.shutdown()
            throw error
        }
        await cluster.shutdown()
    }

    @Test func accusationsThatWereLostInBetweenAreReadAnew() async throws {
        let gate = Gate(at: "member joined n3")
        let name = Unique.name("lag")
        var configuration = GossipNode.Configuration(cluster: name, name: "n1")
        configuration.eventCountMax = 4
        configuration.node.areSystemFactsOff = true
        let slow = try GossipNode(configuration: configuration, logger: logger { gate.pass($0) })
        var cluster = TestCluster(name: name)
        cluster.nodes = [slow]
        do {
            try slow.start()
            let lagged = Task {
                for await event in slow.events {
                    if case .lagged = event { return true }
                }
                return false
            }
            try await cluster.add("n2")
            try await cluster.add("n3")
            #expect(try await within("n1 is held") { await gate.reached.next() } != nil)
            let killed = try await cluster.add("n4")
            let others = Array(cluster.nodes[1...2])
            for node in others {
                try await eventually("\(node.name) sees n4") { node.member(named: "n4")?.links ?? 0 > 0 }
            }
            await killed.shutdown()
            for node in others {
                try await eventually("n4 is dead for \(node.name)") { node.member(named: "n4")?.status == .dead }
                // The core of n1 goes on without its host, and has the accusations in its map.
                try await eventually("\(node.name)'s accusation comes to n1") { !slow.handle.accusations(by: node.name).isEmpty }
            }
            #expect(slow.detector.accusationsOfOthers.isEmpty, "n1's detector heard nothing yet")
            gate.open()
            #expect(try await within("the lag is told") { await lagged.value })
            try await eventually("n1 has both accusations") {
                Set(slow.detector.accusationsOfOthers.filter { $0.target == "n4" }.map(\.accuser)) == ["n2", "n3"]
            }
            try await eventually("n4 is dead for n1") { slow.member(named: "n4")?.status == .dead }
        } catch {
            gate.open()
            await cluster.shutdown()
            throw error
        }
        await cluster.shutdown()
    }
}
