// SPDX-License-Identifier: Apache-2.0
// Serves the clients of a node.
//
// Requests of one client are served one after the other, so that a get after a set sees it; streams run beside them. A slow
// client keeps its own tasks waiting and nobody else: what it does not read waits in the bounded queue of its link, then in the
// bounded buffer of the node's sequence, which drops and says so. The bounds: 64 requests and 16 streams a client.

/// Serves the clients of a node.
package final class ClientDoor: Sendable {
    /// The most requests of a client that wait or run, streams not counted.
    package static let requestCountMax = 64
    /// The most streams of a client.
    package static let streamCountMax = 16

    private struct Client {
        var waiting: [ClientRequest] = []
        var current: (requestID: UInt32, task: Task<Void, Never>)?
        var isServed = false
        var streams: [UInt32: Task<Void, Never>] = [:]

        func has(_ requestID: UInt32) -> Bool {
            self.current?.requestID == requestID || self.streams[requestID] != nil || self.waiting.contains { $0.requestID == requestID }
        }
    }

    private struct State {
        weak var backend: (any ClientBackend)?
        var clients: [UInt64: Client] = [:]
    }

    private let state = Mutex(State())
    /// The door is made with its node.
    private let started = ClientTime.now()

    /// A door that refuses everything until it is attached.
    package init() {}

    /// Serves for this node, which is not kept alive.
    package func attach(_ backend: any ClientBackend) {
        self.state.withLock { $0.backend = backend }
    }

    /// Takes what happened at the door. Never waits.
    func handle(_ input: ClientInput) {
        switch input {
        case .request(let request): self.take(request)
        case .cancel(let link, let requestID): self.cancel(link: link, requestID: requestID)
        case .closed(let link): self.close(link)
        }
    }

    // MARK: Taking requests

    private enum Decision {
        case serve
        case queued
        case refused(ClientFailure)
    }

    private func take(_ request: ClientRequest) {
        let decision = self.state.withLock { state -> Decision in
            var client = state.clients[request.link] ?? Client()
            guard !client.has(request.requestID) else {
                return .refused(ClientFailure(.badRequest, "the request id \(request.requestID) is in use on this connection"))
            }
            let count = client.waiting.count + (client.current == nil ? 0 : 1)
            guard count < ClientDoor.requestCountMax else {
                return .refused(ClientFailure(.busy, "more than \(ClientDoor.requestCountMax) requests of this client wait for an answer"))
            }
            client.waiting.append(request)
            let starts = !client.isServed
            client.isServed = true
            state.clients[request.link] = client
            return starts ? .serve : .queued
        }
        switch decision {
        case .serve: Task { await self.serve(request.link) }
        case .queued: break
        case .refused(let failure): Task { await self.finish(request, with: failure) }
        }
    }

    private func cancel(link: UInt64, requestID: UInt32) {
        let dropped = self.state.withLock { state -> ClientRequest? in
            guard var client = state.clients[link] else { return nil }
            client.streams[requestID]?.cancel()
            if client.current?.requestID == requestID { client.current?.task.cancel() }
            guard let index = client.waiting.firstIndex(where: { $0.requestID == requestID }) else { return nil }
            let request = client.waiting.remove(at: index)
            state.clients[link] = client
            return request
        }
        if let dropped {
            Task { await self.finish(dropped, with: EndAnswer(reason: "cancelled")) }
        }
    }

    private func close(_ link: UInt64) {
        let client = self.state.withLock { $0.clients.removeValue(forKey: link) }
        client?.current?.task.cancel()
        client?.streams.values.forEach { $0.cancel() }
    }

    // MARK: Serving

    private func serve(_ link: UInt64) async {
        while let task = self.next(link) {
            await task.value
        }
    }

    /// Starts the next request that waits; nil when there is none, or the client is gone.
    private func next(_ link: UInt64) -> Task<Void, Never>? {
        self.state.withLock { state in
            guard var client = state.clients[link] else { return nil }
            guard !client.waiting.isEmpty else {
                client.current = nil
                client.isServed = false
                state.clients[link] = client.streams.isEmpty ? nil : client
                return nil
            }
            let request = client.waiting.removeFirst()
            let task = Task { await self.answer(request) }
            client.current = (request.requestID, task)
            state.clients[link] = client
            return task
        }
    }

    private func answer(_ request: ClientRequest) async {
        guard let backend = self.state.withLock({ $0.backend }) else { return }
        do throws(ClientFailure) {
            let message = try ClientJSON.decode(ClientRequestMessage.self, from: request.payload)
            if message.verb.isStream {
                try self.openStream(message, for: request)
            } else {
                let payload = try await ClientDoor.payload(of: message, from: backend, started: self.started)
                await self.finish(request, payload: payload)
                if message.verb == .leave { await backend.clientLeave() }
            }
        } catch {
            await self.finish(request, with: error)
        }
    }

    private static func payload(
        of message: ClientRequestMessage,
        from backend: any ClientBackend,
        started: ClientTime
    ) async throws(ClientFailure) -> [UInt8] {
        switch message.verb {
        case .members: return try ClientJSON.encode(backend.clientMembers())
        case .info: return try ClientJSON.encode(backend.clientInfo(started: started))
        case .configShow: return try ClientJSON.encode(backend.clientConfiguration())
        case .leave: return try ClientJSON.encode(backend.clientLeaveAnswer())
        case .get:
            let (group, key) = try message.groupAndKey()
            return try ClientJSON.encode(try backend.clientValue(node: message.node, group: group, key: key))
        case .delete:
            let (group, key) = try message.groupAndKey()
            return try ClientJSON.encode(try await backend.clientDelete(group: group, key: key))
        case .set:
            return try ClientJSON.encode(try await ClientDoor.set(message, on: backend))
        case .explain:
            guard let node = message.node else { throw ClientFailure(.badRequest, "explain needs the field \"node\"") }
            return try ClientJSON.encode(try backend.clientExplanation(of: node))
        case .configSet:
            guard let key = message.key?.label.string, case .text(let text)? = message.value else {
                throw ClientFailure(.badRequest, "config_set takes its key and value as strings")
            }
            return try ClientJSON.encode(try await backend.clientConfigure(key: key, text: text))
        case .watch, .events:
            throw ClientFailure(.badRequest, "\(message.verb.rawValue) is a stream")
        }
    }

    private static func set(_ message: ClientRequestMessage, on backend: any ClientBackend) async throws(ClientFailure) -> DeltaAnswer {
        let (group, key) = try message.groupAndKey()
        let type = try message.valueType()
        guard let value = message.value else { throw ClientFailure(.badRequest, "set needs the field \"value\"") }
        let bytes = try value.bytes(of: type)
        var timeToLive: Duration?
        if let milliseconds = message.ttlMilliseconds {
            guard (1...UInt64(UInt32.max)).contains(milliseconds) else {
                throw ClientFailure(.badRequest, "the field \"ttl_ms\" must be from 1 to \(UInt32.max)")
            }
            timeToLive = .milliseconds(Int64(milliseconds))
        }
        return try await backend.clientSet(group: group, key: key, type: type, bytes: bytes, timeToLive: timeToLive)
    }

    // MARK: Streams

    private func openStream(_ message: ClientRequestMessage, for request: ClientRequest) throws(ClientFailure) {
        let refusal = self.state.withLock { state -> ClientFailure? in
            // A client that has gone needs no answer.
            guard var client = state.clients[request.link] else { return nil }
            guard !Task.isCancelled else { return ClientFailure(.cancelled, "the request was cancelled") }
            guard client.streams.count < ClientDoor.streamCountMax else {
                return ClientFailure(.busy, "this client has \(ClientDoor.streamCountMax) streams already")
            }
            client.streams[request.requestID] = Task { await self.stream(message, for: request) }
            state.clients[request.link] = client
            return nil
        }
        if let refusal { throw refusal }
    }

    private func stream(_ message: ClientRequestMessage, for request: ClientRequest) async {
        if let backend = self.state.withLock({ $0.backend }) {
            let deliver: @Sendable (ClientItem) async -> Bool = { item in
                guard let payload = try? item.payload() else { return true }
                return await self.deliver(request, payload: payload, isLast: false)
            }
            if message.verb == .watch {
                await backend.clientWatch(group: message.group?.label, key: message.key?.label, deliver: deliver)
            } else {
                await backend.clientEvents(deliver: deliver)
            }
        }
        await self.finish(request, with: EndAnswer(reason: Task.isCancelled ? "cancelled" : "closed"))
        self.state.withLock { state in
            guard var client = state.clients[request.link] else { return }
            client.streams[request.requestID] = nil
            state.clients[request.link] = client.streams.isEmpty && !client.isServed ? nil : client
        }
    }

    // MARK: Answers

    private func finish(_ request: ClientRequest, with answer: some Encodable & Sendable) async {
        guard let payload = try? ClientJSON.encode(answer) else { return }
        await self.finish(request, payload: payload)
    }

    /// Sends the last answer. In a task of its own, because it is owed even where the request was cancelled.
    private func finish(_ request: ClientRequest, payload: [UInt8]) async {
        await Task { _ = await self.deliver(request, payload: payload, isLast: true) }.value
    }

    /// Sends, and waits while the client reads too slowly. False where it can't be told any more: it has gone, or wants no more.
    private func deliver(_ request: ClientRequest, payload: [UInt8], isLast: Bool) async -> Bool {
        var payload = payload
        var pause = Duration.milliseconds(5)
        while !Task.isCancelled, let backend = self.state.withLock({ $0.clients[request.link] == nil && !isLast ? nil : $0.backend }) {
            do throws(GoferBrokeError) {
                try backend.sendToClient(link: request.link, requestID: request.requestID, payload: payload, isLast: isLast)
                return true
            } catch {
                if error.code == .tooBig {
                    // The answer exists but no frame can carry it: say so instead.
                    guard isLast, let smaller = try? ClientJSON.encode(ClientFailure(error)), smaller.count < payload.count else {
                        return false
                    }
                    payload = smaller
                    continue
                }
                guard error.code == .queueFull else { return false }
            }
            // The core tells nothing when a link's queue has room again, so it is asked, ever more rarely.
            try? await Task.sleep(for: pause)
            pause = min(pause * 2, .milliseconds(200))
        }
        return false
    }
}

extension ClientRequestMessage {
    fileprivate func groupAndKey() throws(ClientFailure) -> (DeltaLabel, DeltaLabel) {
        guard let group, let key else {
            throw ClientFailure(.badRequest, "\(self.verb.rawValue) needs the fields \"group\" and \"key\"")
        }
        return (group.label, key.label)
    }
}
