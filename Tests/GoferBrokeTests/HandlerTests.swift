// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GoferBroke

@Suite(.serialized, .timeLimit(.minutes(2))) struct HandlerTests {
    /// Notes what it is told; does what a test wants on each change.
    final class Recorder: GossipHandler {
        struct Refused: Error {}

        let keyGroup: DeltaLabel = "limits"
        let lines = Mutex<[String]>([])
        let onChange: @Sendable (DeltaChange, any ClusterNode) async throws -> Void

        init(onChange: @escaping @Sendable (DeltaChange, any ClusterNode) async throws -> Void = { _, _ in }) {
            self.onChange = onChange
        }

        func note(_ line: String) {
            self.lines.withLock { $0.append(line) }
        }

        func has(_ line: String) -> Bool {
            self.lines.withLock { $0.contains(line) }
        }

        func changed(_ change: DeltaChange, on node: any ClusterNode) async throws {
            self.note("\(change.participant) \(change.key)=\(change.delta?.value(as: Int.self).map(String.init) ?? "deleted")")
            try await self.onChange(change, node)
        }

        func joined(_ member: Member, on node: any ClusterNode) async throws { self.note("joined \(member.name)") }
        func left(_ member: Member, on node: any ClusterNode) async throws { self.note("left \(member.name)") }
        func died(_ member: Member, on node: any ClusterNode) async throws { self.note("died \(member.name)") }
    }

    @Test func aHandlerIsToldOfItsGroupAndOfMembers() async throws {
        try await withCluster(of: 3) { cluster in
            let (a, b, c) = (cluster.nodes[0], cluster.nodes[1], cluster.nodes[2])
            try await b.set(.limit, to: 1)
            try await eventually("a knows it") { a.value(of: .limit, from: "n2") == 1 }
            let recorder = Recorder()
            a.add(recorder)
            try await eventually("what is there is told") {
                recorder.has("joined n2") && recorder.has("joined n3") && recorder.has("n2 max=1")
            }
            try await b.set(.limit, to: 2)
            try await b.set(DeltaKey<Int>("other", "key"), to: 9)
            try await eventually("a change is told") { recorder.has("n2 max=2") }
            try await b.delete(.limit)
            try await eventually("a deletion is told") { recorder.has("n2 max=deleted") }
            await c.shutdown()
            try await eventually("a death is told") { recorder.has("died n3") }
            await b.leave()
            try await eventually("a leave is told") { recorder.has("left n2") }
            #expect(!recorder.lines.withLock { $0.contains { $0.contains("key=") } }, "other groups are none of its business")
            #expect(!recorder.has("joined n1"), "self is no news")
        }
    }

    @Test func aHandlerThatThrowsGoesOn() async throws {
        try await withCluster(of: 1) { cluster in
            let node = cluster.nodes[0]
            let recorder = Recorder { _, _ in throw Recorder.Refused() }
            node.add(recorder)
            try await node.set(.limit, to: 1)
            try await eventually("the first call") { recorder.has("n1 max=1") }
            try await node.set(.limit, to: 2)
            try await eventually("the call after the error") { recorder.has("n1 max=2") }
        }
    }

    @Test func aSlowHandlerCostsNobodyAndGetsTheNewest() async throws {
        try await withCluster(of: 2) { cluster in
            let (a, b) = (cluster.nodes[0], cluster.nodes[1])
            let gate = Gate()
            let slow = Recorder { _, _ in await gate.wait() }
            let quick = Recorder()
            a.add(slow)
            a.add(quick)
            try await b.set(.limit, to: 0)
            try await eventually("the slow handler is in its call") { slow.has("n2 max=0") }
            for value in 1...500 {
                try await b.set(.limit, to: value)
            }
            try await eventually("the quick handler goes on") { quick.has("n2 max=500") }
            #expect(a.value(of: .limit, from: "n2") == 500)
            #expect(slow.lines.withLock { $0.filter { $0.hasPrefix("n2") } } == ["n2 max=0"])
            await gate.open()
            try await eventually("the slow handler gets the newest value") { slow.has("n2 max=500") }
            #expect(slow.lines.withLock { $0.filter { $0.hasPrefix("n2") } } == ["n2 max=0", "n2 max=500"])
        }
    }

    @Test func aHandlerMayCallTheNode() async throws {
        try await withCluster(of: 1) { cluster in
            let node = cluster.nodes[0]
            let echo = DeltaKey<Int>("echo", "max")
            let recorder = Recorder { change, node in
                if let value = change.delta?.value(as: Int.self) {
                    _ = node.members
                    try await node.set(echo, to: value)
                }
            }
            node.add(recorder)
            try await node.set(.limit, to: 42)
            try await eventually("the echo is there") { node.value(of: echo) == 42 }
        }
    }
}

/// Closed until it is opened.
actor Gate {
    private var isOpen = false
    private var waiters: [CheckedContinuation<Void, Never>] = []

    func wait() async {
        guard !self.isOpen else { return }
        await withCheckedContinuation { self.waiters.append($0) }
    }

    func open() {
        self.isOpen = true
        for waiter in self.waiters {
            waiter.resume()
        }
        self.waiters = []
    }
}
