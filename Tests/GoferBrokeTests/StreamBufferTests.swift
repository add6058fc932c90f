// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GoferBroke

@Suite struct StreamBufferTests {
    private static let paced: GossipLoad = {
        var load = GossipLoad()
        load.isPacing = true
        return load
    }()

    // MARK: Events

    @Test func eventsBeginWithASnapshot() {
        var buffer = EventBuffer()
        buffer.append(.load(Self.paced))
        guard case .snapshot? = buffer.take() else { return #expect(Bool(false), "no snapshot first") }
        guard case .event(.load(Self.paced))? = buffer.take() else { return #expect(Bool(false), "the event is lost") }
        #expect(buffer.take() == nil)
        #expect(buffer.isEmpty)
    }

    @Test func aSlowConsumerIsToldHowManyEventsItMissedAndReadsAnew() {
        var buffer = EventBuffer()
        _ = buffer.take()
        for _ in 0...EventBuffer.limit {
            buffer.append(.load(Self.paced))
        }
        #expect(buffer.count <= EventBuffer.limit)
        guard case .event(.lagged(let count))? = buffer.take() else { return #expect(Bool(false), "lag is not told") }
        #expect(count == EventBuffer.limit + 1)
        guard case .snapshot? = buffer.take() else { return #expect(Bool(false), "no snapshot after lag") }
        #expect(buffer.take() == nil)
    }

    @Test func eventsKeepTheirOrder() {
        var buffer = EventBuffer()
        _ = buffer.take()
        var next = 0
        for count in 0..<2_000 {
            buffer.append(.joined(memberCount: count))
            guard count % 2 == 1, case .event(.joined(let taken))? = buffer.take() else { continue }
            #expect(taken == next)
            next += 1
        }
        while case .event(.joined(let taken))? = buffer.take() {
            #expect(taken == next)
            next += 1
        }
        #expect(next == 2_000)
    }

    // MARK: Changes

    private func news(_ key: DeltaLabel, version: UInt64, _ value: Int?, generation: UInt64 = 1, from name: String = "a") -> DeltaNews {
        let delta = value.map {
            Delta(
                participant: name,
                generation: generation,
                group: "g",
                key: key,
                version: version,
                type: .int,
                bytes: $0.deltaBytes()
            )
        }
        return DeltaNews(
            participant: name,
            generation: generation,
            lane: .user,
            group: "g",
            key: key,
            version: version,
            delta: delta
        )
    }

    /// What a buffer gives until it is empty, as `name/key=value`.
    private func drain(_ buffer: inout ChangeBuffer) -> [String] {
        var lines: [String] = []
        while let step = buffer.take() {
            switch step {
            case .list: lines.append("list")
            case .change(let change):
                let value = change.delta?.value(as: Int.self).map(String.init) ?? "deleted"
                lines.append("\(change.participant)/\(change.key)=\(value)")
            }
        }
        return lines
    }

    private func listed() -> ChangeBuffer {
        var buffer = ChangeBuffer()
        _ = buffer.take()
        return buffer
    }

    @Test func aNewerChangeOfAKeyReplacesTheOneThatWaits() {
        var buffer = self.listed()
        for version in 1...1_000 {
            buffer.offer(self.news("x", version: UInt64(version), version))
            buffer.offer(self.news("y", version: UInt64(version) + 1_000, version))
        }
        #expect(buffer.count == 2)
        #expect(self.drain(&buffer) == ["a/x=1000", "a/y=1000"])
    }

    @Test func whatTheListingToldIsNotToldAgain() {
        var buffer = ChangeBuffer()
        guard case .list(let mark)? = buffer.take(), let listed = self.news("x", version: 5, 50).delta else {
            return #expect(Bool(false), "no listing first")
        }
        buffer.merge([listed], mark: mark)
        buffer.offer(self.news("x", version: 4, 40))
        buffer.offer(self.news("x", version: 5, 50))
        #expect(self.drain(&buffer) == ["a/x=50"])
        buffer.offer(self.news("x", version: 6, 60))
        #expect(self.drain(&buffer) == ["a/x=60"])
    }

    @Test func deletionsAreToldOfWhatWasTold() {
        var buffer = self.listed()
        buffer.offer(self.news("never", version: 1, nil))
        buffer.offer(self.news("x", version: 2, 1))
        #expect(self.drain(&buffer) == ["a/x=1"])
        buffer.offer(self.news("x", version: 2, nil))
        #expect(self.drain(&buffer) == ["a/x=deleted"])
        buffer.offer(self.news("x", version: 4, 2))
        buffer.offer(self.news("x", version: 2, nil))
        #expect(self.drain(&buffer) == ["a/x=2"], "an old deletion must not hide a newer value")
    }

    @Test func aNewListingFindsWhatWasDeletedMeanwhile() {
        var buffer = self.listed()
        buffer.offer(self.news("x", version: 1, 1))
        buffer.offer(self.news("y", version: 2, 2))
        _ = self.drain(&buffer)
        buffer.relist()
        guard case .list(let mark)? = buffer.take(), let y = self.news("y", version: 2, 2).delta else {
            return #expect(Bool(false), "no listing")
        }
        buffer.offer(self.news("z", version: 3, 3))
        buffer.merge([y], mark: mark)
        #expect(self.drain(&buffer).sorted() == ["a/x=deleted", "a/z=3"])
    }

    @Test func aLaterLifeBeginsItsVersionsAgain() {
        var buffer = self.listed()
        buffer.offer(self.news("x", version: 90, 1))
        buffer.offer(self.news("x", version: 1, 2, generation: 2))
        buffer.offer(self.news("x", version: 91, 3))
        #expect(self.drain(&buffer) == ["a/x=2"])
    }

    @Test func aForgottenParticipantTakesItsValuesAlong() {
        var buffer = self.listed()
        buffer.offer(self.news("x", version: 1, 1))
        buffer.offer(self.news("x", version: 1, 2, from: "b"))
        _ = self.drain(&buffer)
        buffer.forget("b", lane: .user)
        #expect(self.drain(&buffer) == ["b/x=deleted"])
    }

    // MARK: Handlers

    @Test func aHandlersInboxKeepsTheNewestOfEachMember() {
        var inbox = HandlerInbox()
        _ = inbox.take()
        for generation in UInt64(1)...500 {
            inbox.offer(Member(name: "b", generation: generation))
        }
        inbox.offer(Member(name: "self", generation: 1, isSelf: true))
        inbox.offer(Member(name: "c", generation: 1))
        inbox.offer(Member(name: "c", generation: 1, status: .dead))
        inbox.offer(Member(name: "never-seen", generation: 1, status: .left))
        var lines: [String] = []
        while let step = inbox.take() {
            switch step {
            case .call(.joined(let member)), .call(.left(let member)), .call(.died(let member)):
                lines.append("\(member.name) \(member.generation) \(member.status)")
            default: break
            }
        }
        #expect(lines == ["b 500 alive", "c 1 dead"])
    }

    // MARK: Mailboxes

    @Test func aMailboxWakesWhoeverWaits() async throws {
        let mailbox = Mailbox(Once<Int>())
        async let first = mailbox.next()
        async let second = mailbox.next()
        mailbox.update { $0.set(7) }
        #expect(await first == 7)
        #expect(await second == 7)
    }

    @Test func aBellRingsForItsKeyAlone() async throws {
        let hub = Hub()
        let (id, bell) = hub.subscribeToNews(of: ChangeFilter(group: "g", key: "k"))
        let news = { (key: DeltaLabel) in
            DeltaNews(participant: "n", generation: 1, lane: .user, group: "g", key: key, version: 1)
        }
        hub.tell(news("k"))
        hub.tell(news("k"))
        #expect(await bell.next() != nil)
        hub.tell(news("other"))
        hub.unsubscribe(id)
        hub.tell(news("k"))
        bell.finish()
        #expect(await bell.next() == nil)
    }

    @Test func aCancelledTaskStopsWaiting() async throws {
        let mailbox = Mailbox(Once<Int>())
        let task = Task { await mailbox.next() }
        task.cancel()
        #expect(await task.value == nil)
    }

    @Test func aFinishedMailboxGivesWhatItHasAndEnds() async throws {
        let mailbox = Mailbox(EventBuffer())
        mailbox.update { $0.append(.load(Self.paced)) }
        mailbox.finish()
        mailbox.update { $0.append(.load(GossipLoad())) }
        guard case .snapshot? = await mailbox.next() else { return #expect(Bool(false), "no snapshot") }
        guard case .event(.load(Self.paced))? = await mailbox.next() else { return #expect(Bool(false), "no event") }
        let end = await mailbox.next()
        #expect(end == nil)
    }
}
