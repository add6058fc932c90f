// SPDX-License-Identifier: Apache-2.0
// How connections come to be. SYNs that get no answer are sent again after 1, 3, 7, … seconds (RFC 6298, section 2).

internal import DequeModule
internal import GoferBroke
internal import GoferBrokeConfiguration

extension Simulation {
    static let synPause: UInt64 = 1_000_000

    func isUsed(_ connection: Int32, _ use: UInt32) -> Bool {
        let connection = self.connections[Int(connection)]
        return connection.use == use && !connection.isFree
    }

    func openConnection(_ end: ConnectionEnd, to target: Endpoint, deadline: UInt64) -> Int32 {
        let acceptor = ConnectionEnd(node: self.placeByHost[target.host] ?? -1, life: 0)
        if let number = self.freeConnections.popLast() {
            let use = self.connections[Int(number)].use + 1
            self.connections[Int(number)] = SimulatedConnection(
                ends: [end, acceptor],
                use: use,
                dialDeadline: deadline,
                target: target
            )
            return number
        }
        self.connections.append(SimulatedConnection(ends: [end, acceptor], use: 1, dialDeadline: deadline, target: target))
        return Int32(self.connections.count - 1)
    }

    /// Nobody knows the connection any more, and no end has anything to send.
    func freeIfOver(_ number: Int32) {
        let place = Int(number)
        guard !self.connections[place].isFree else { return }
        for side in 0..<2 {
            if self.connections[place].ends[side].isOpen { return }
            // A host that is up goes on to send what its process left behind.
            if self.connections[place].ends[side].stream.isSlow, self.connections[place].ends[1 - side].isOpen { return }
        }
        for side in 0..<2 {
            self.dropOutstanding(number, side)
        }
        self.connections[place].isFree = true
        self.connections[place].ends.removeAll()
        self.freeConnections.append(number)
    }

    func dial(_ target: Endpoint, timeout: UInt64, link: UInt64, from place: NodePlace) {
        var end = ConnectionEnd(node: place.slot, life: place.life)
        end.link = link
        end.isOpen = true
        let number = self.openConnection(end, to: target, deadline: self.now + timeout)
        let use = self.connections[Int(number)].use
        place.links[link] = NodePlace.LinkPlace(connection: number, use: use, side: 0)
        self.push(.synAttempt, at: self.now, subject: number, guardNumber: use)
        self.push(.dialTimeout, at: self.now + timeout, subject: number, guardNumber: use)
    }

    func onSynAttempt(_ event: SimulatedEvent) {
        let number = event.subject
        guard self.isUsed(number, event.guardNumber), !self.connections[Int(number)].isAnswered else { return }
        let connection = self.connections[Int(number)]
        let pause = Self.synPause << UInt64(min(connection.attempt, 6))
        self.connections[Int(number)].attempt += 1
        if self.now + pause < connection.dialDeadline {
            self.push(.synAttempt, at: self.now + pause, subject: number, guardNumber: event.guardNumber)
        }
        // Somebody may have moved there since the dial began; but who has taken the connection already keeps it.
        let acceptor = connection.ends[1]
        let isTaken = acceptor.isOpen || acceptor.stream.isSlow
        let target = isTaken ? acceptor.node : self.placeByHost[connection.target.host] ?? -1
        self.connections[Int(number)].ends[1].node = target
        guard target >= 0, connection.target.port == NodePlace.port else { return }
        let path = self.paths.path(from: connection.ends[0].node, to: target)
        guard !self.roll({ $0.chance(path.loss) }) else { return }
        self.push(.synArrival, at: self.now + self.latency(path), subject: number, guardNumber: event.guardNumber)
    }

    func latency(_ path: Path) -> UInt64 {
        path.latency + (path.jitter == 0 ? 0 : self.roll { $0.below(path.jitter) })
    }

    func onSynArrival(_ event: SimulatedEvent) {
        let number = event.subject
        guard self.isUsed(number, event.guardNumber), !self.connections[Int(number)].isAnswered else { return }
        let (dialler, target) = (self.connections[Int(number)].ends[0].node, self.connections[Int(number)].ends[1].node)
        let place = self.places[Int(target)]
        guard !self.paths.isDown(target), !place.isBehindNAT else { return }
        let back = self.paths.path(from: target, to: dialler)
        let isAccepted = place.isRunning
        if isAccepted, !self.connections[Int(number)].ends[1].isOpen {
            self.connections[Int(number)].ends[1].life = place.life
            self.connections[Int(number)].ends[1].isOpen = true
            self.give(.accepted(connection: number, use: event.guardNumber), to: place)
        }
        guard self.isUsed(number, event.guardNumber), !self.roll({ $0.chance(back.loss) }) else { return }
        let at = max(self.now + self.latency(back), self.connections[Int(number)].ends[1].stream.lastArrival)
        self.connections[Int(number)].ends[1].stream.lastArrival = at
        self.push(.synAnswer, at: at, subject: number, guardNumber: event.guardNumber, detail: isAccepted ? 1 : 0)
    }

    func onSynAnswer(_ event: SimulatedEvent) {
        let number = event.subject
        guard self.isUsed(number, event.guardNumber), !self.connections[Int(number)].isAnswered else { return }
        self.connections[Int(number)].isAnswered = true
        let end = self.connections[Int(number)].ends[0]
        let place = self.places[Int(end.node)]
        if event.detail == 1 {
            self.give(.connected(connection: number, use: event.guardNumber), to: place)
        } else {
            self.connections[Int(number)].ends[0].isOpen = false
            self.freeIfOver(number)
            self.give(.closed(link: end.link, .refused), to: place)
        }
    }

    func onDialTimeout(_ event: SimulatedEvent) {
        let number = event.subject
        guard self.isUsed(number, event.guardNumber), !self.connections[Int(number)].isAnswered else { return }
        self.connections[Int(number)].isAnswered = true
        let end = self.connections[Int(number)].ends[0]
        guard end.isOpen else { return }
        self.connections[Int(number)].ends[0].isOpen = false
        if self.connections[Int(number)].ends[1].isOpen {
            // The acceptor believes in a connection: it learns otherwise.
            self.sendReset(number, to: 1)
        }
        self.freeIfOver(number)
        self.give(.closed(link: end.link, .timedOut), to: self.places[Int(end.node)])
    }

    /// The process of the acceptor takes the connection, or refuses it.
    func accept(_ number: Int32, use: UInt32, at place: NodePlace, engine: EngineHandle) {
        guard self.isUsed(number, use), self.connections[Int(number)].ends[1].isOpen else { return }
        let dialler = self.places[Int(self.connections[Int(number)].ends[0].node)]
        guard let link = engine.accepted(from: dialler.host, port: 1, now: place.clock(self.now)) else {
            self.connections[Int(number)].ends[1].isOpen = false
            self.sendReset(number, to: 0)
            return
        }
        self.connections[Int(number)].ends[1].link = link
        place.links[link] = NodePlace.LinkPlace(connection: number, use: use, side: 1)
    }
}
