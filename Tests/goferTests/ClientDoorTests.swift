// SPDX-License-Identifier: Apache-2.0
// The node's side of the client protocol, with a node that is not one.

import GoferBrokeConfiguration
import Testing

@testable import GoferBroke

/// A node that keeps values in a dictionary and remembers what was sent.
private final class FakeNode: ClientBackend {
    struct Sent: Sendable, Hashable {
        var link: UInt64
        var requestID: UInt32
        var text: String
        var isLast: Bool
    }

    private struct State {
        var values: [String: Delta] = [:]
        var sent: [Sent] = []
        /// So many sends find the client's queue full.
        var refusals = 0
        var hasLeft = false
        var gone: Set<UInt64> = []
    }

    private let state = Mutex(State())
    private let news = AsyncStream.makeStream(of: Void.self)
    let items = AsyncStream.makeStream(of: ClientItem.self)

    func refuse(_ count: Int) {
        self.state.withLock { $0.refusals = count }
    }

    /// A link that nothing can be sent to any more.
    func close(_ link: UInt64) {
        self.state.withLock { _ = $0.gone.insert(link) }
    }

    var hasLeft: Bool { self.state.withLock { $0.hasLeft } }

    var sent: [Sent] { self.state.withLock { $0.sent } }

    /// Waits until so many frames were sent.
    func sent(_ count: Int) async -> [Sent] {
        var iterator = self.news.stream.makeAsyncIterator()
        while self.sent.count < count {
            guard await iterator.next() != nil else { break }
        }
        return self.sent
    }

    func sendToClient(link: UInt64, requestID: UInt32, payload: [UInt8], isLast: Bool) throws(GoferBrokeError) {
        let refusal = self.state.withLock { state -> GoferBrokeError.Code? in
            guard !state.gone.contains(link) else { return .closed }
            if state.refusals > 0 {
                state.refusals -= 1
                return .queueFull
            }
            state.sent.append(Sent(link: link, requestID: requestID, text: String(decoding: payload, as: UTF8.self), isLast: isLast))
            return nil
        }
        if let refusal { throw GoferBrokeError(code: refusal, operation: "answer", reason: "refused") }
        self.news.continuation.yield()
    }

    func clientMembers() -> MembersAnswer {
        MembersAnswer(cluster: "c", selfName: "n", members: [Member(name: "n", generation: 1, isSelf: true)])
    }

    func clientValue(node: String?, group: DeltaLabel, key: DeltaLabel) throws(ClientFailure) -> DeltaAnswer {
        guard let delta = self.state.withLock({ $0.values["\(group)/\(key)"] }) else { throw ClientFailure(.notFound, "no such key") }
        return DeltaAnswer(delta)
    }

    func clientSet(
        group: DeltaLabel,
        key: DeltaLabel,
        type: DeltaValueType,
        bytes: [UInt8],
        timeToLive: Duration?
    ) async throws(ClientFailure) -> DeltaAnswer {
        // A change of task in between: a get that overtook would see the old value.
        await Task.yield()
        let delta = Delta(participant: "n", generation: 1, group: group, key: key, version: 1, type: type, bytes: bytes)
        self.state.withLock { $0.values["\(group)/\(key)"] = delta }
        return DeltaAnswer(delta)
    }

    func clientDelete(group: DeltaLabel, key: DeltaLabel) async throws(ClientFailure) -> KeyAnswer {
        self.state.withLock { $0.values["\(group)/\(key)"] = nil }
        return KeyAnswer(node: "n", group: group, key: key)
    }

    func clientInfo(started: ClientTime) -> InfoAnswer {
        InfoAnswer(
            cluster: "c",
            node: "n",
            generation: 1,
            addresses: [],
            started: started,
            version: "0",
            statistics: NodeStatistics()
        )
    }

    func clientExplanation(of node: String) throws(ClientFailure) -> ExplainAnswer {
        guard node == "n" else { throw ClientFailure(.unknownNode, "no member is called that") }
        return ExplainAnswer(member: Member(name: "n", generation: 1), story: ["seen"])
    }

    func clientConfiguration() -> ConfigurationAnswer {
        ConfigurationAnswer(cluster: "c", entries: [])
    }

    func clientConfigure(key: String, text: String) async throws(ClientFailure) -> ConfigurationSetAnswer {
        ConfigurationSetAnswer(key: key, value: text, before: "")
    }

    func clientLeaveAnswer() -> LeaveAnswer {
        LeaveAnswer(node: "n")
    }

    func clientLeave() async {
        self.state.withLock { $0.hasLeft = true }
        self.news.continuation.yield()
    }

    func clientWatch(group: DeltaLabel?, key: DeltaLabel?, deliver: @Sendable (ClientItem) async -> Bool) async {
        await self.clientEvents(deliver: deliver)
    }

    func clientEvents(deliver: @Sendable (ClientItem) async -> Bool) async {
        for await item in self.items.stream {
            guard await deliver(item) else { return }
        }
    }
}

@Suite("Client door", .timeLimit(.minutes(1)))
struct ClientDoorTests {
    private let node = FakeNode()
    private let door = ClientDoor()

    init() {
        self.door.attach(self.node)
    }

    private func ask(_ requestID: UInt32, _ text: String, link: UInt64 = 1) {
        self.door.handle(.request(ClientRequest(link: link, requestID: requestID, payload: Array(text.utf8))))
    }

    @Test func eachRequestGetsOneLastAnswer() async {
        self.ask(1, #"{"verb":"members"}"#)
        self.ask(2, #"{"verb":"info"}"#)
        self.ask(3, #"{"verb":"explain","node":"nobody"}"#)
        self.ask(4, "nonsense")
        self.ask(5, #"{"verb":"config_set","key":"a","value":"b"}"#)
        let sent = await self.node.sent(5)
        #expect(sent.map(\.requestID) == [1, 2, 3, 4, 5])
        #expect(sent.allSatisfy { $0.isLast && $0.link == 1 })
        #expect(sent[0].text.contains(#""self":"n""#))
        #expect(sent[2].text == #"{"error":{"code":"unknown_node","message":"no member is called that"}}"#)
        #expect(sent[3].text.contains(#""code":"bad_request""#))
        #expect(sent[4].text == #"{"before":"","key":"a","value":"b"}"#)
    }

    @Test func requestsOfAClientKeepTheirOrder() async {
        for index in UInt32(0)..<20 {
            self.ask(index * 2 + 1, #"{"verb":"set","group":"g","key":"k","type":"int","value":\#(index)}"#)
            self.ask(index * 2 + 2, #"{"verb":"get","group":"g","key":"k"}"#)
        }
        let sent = await self.node.sent(40)
        #expect(sent.map(\.requestID) == Array(1...40))
        for index in 0..<20 {
            #expect(sent[index * 2 + 1].text.contains("\"value\":\(index),"))
        }
    }

    @Test func requestIdInUseIsRefused() async {
        self.ask(1, #"{"verb":"events"}"#)
        self.ask(2, #"{"verb":"members"}"#)
        _ = await self.node.sent(1)
        self.ask(1, #"{"verb":"members"}"#)
        let sent = await self.node.sent(2)
        #expect(sent[1].requestID == 1)
        #expect(sent[1].text.contains("in use"))
    }

    @Test func streamRunsBesideRequestsAndEndsWhenCancelled() async {
        self.ask(1, #"{"verb":"watch"}"#)
        self.ask(2, #"{"verb":"members"}"#)
        _ = await self.node.sent(1)
        self.node.items.continuation.yield(ClientItem("set", KeyAnswer(node: "n", group: "g", key: "k")))
        var sent = await self.node.sent(2)
        #expect(sent[1].requestID == 1)
        #expect(sent[1].isLast == false)
        #expect(sent[1].text.hasPrefix(#"{"event":"set","#))
        self.door.handle(.cancel(link: 1, requestID: 1))
        sent = await self.node.sent(3)
        #expect(sent[2] == FakeNode.Sent(link: 1, requestID: 1, text: #"{"reason":"cancelled"}"#, isLast: true))
    }

    @Test func slowClientGetsEverythingLater() async {
        self.node.refuse(3)
        self.ask(1, #"{"verb":"members"}"#)
        let sent = await self.node.sent(1)
        #expect(sent.count == 1)
        #expect(sent[0].requestID == 1)
    }

    @Test func tooManyStreamsAreRefused() async {
        for index in 1...UInt32(ClientDoor.streamCountMax + 1) {
            self.ask(index, #"{"verb":"events"}"#)
        }
        let sent = await self.node.sent(1)
        #expect(sent.map(\.requestID) == [UInt32(ClientDoor.streamCountMax + 1)])
        #expect(sent[0].text.contains(#""code":"busy""#))
    }

    @Test func closedClientIsForgotten() async {
        self.ask(1, #"{"verb":"events"}"#)
        self.ask(2, #"{"verb":"members"}"#)
        _ = await self.node.sent(1)
        self.node.close(1)
        self.door.handle(.closed(link: 1))
        // The same number on a new connection is a new request.
        self.ask(1, #"{"verb":"members"}"#, link: 2)
        self.ask(2, #"{"verb":"members"}"#, link: 2)
        let sent = await self.node.sent(3)
        #expect(sent.filter { $0.link == 2 && $0.text.contains("members") }.map(\.requestID) == [1, 2])
    }

    @Test func leaveIsAnsweredBeforeTheNodeGoes() async {
        self.ask(1, #"{"verb":"leave"}"#)
        let sent = await self.node.sent(1)
        #expect(sent[0].text == #"{"leaving":true,"node":"n"}"#)
        while !self.node.hasLeft {
            await Task.yield()
        }
    }

    @Test func changesOfValuesAreTyped() async {
        self.ask(1, #"{"verb":"set","group":"g","key":"k","type":"int8","value":300}"#)
        self.ask(2, #"{"verb":"set","group":"g","key":"k","type":"strange","value":1}"#)
        self.ask(3, #"{"verb":"set","group":"g","key":"k","value":"v","ttl_ms":0}"#)
        self.ask(4, #"{"verb":"delete","group":"g","key":"k"}"#)
        let sent = await self.node.sent(4)
        #expect(sent[0].text.contains(#""code":"wrong_type""#))
        #expect(sent[1].text.contains("unknown type"))
        #expect(sent[2].text.contains("ttl_ms"))
        #expect(sent[3].text == #"{"group":"g","key":"k","node":"n"}"#)
    }
}
