// SPDX-License-Identifier: Apache-2.0
// How bytes of a connection travel. See SimulatedStream for the model.

internal import DequeModule
internal import GoferBroke

extension Simulation {
    /// What a packet carries.
    static let segmentSize = 1_448
    /// What a host keeps for a process that does not read.
    static let receiveBuffer = 256 * 1_024
    /// So many retransmissions in a row end a connection (Linux: tcp_retries2).
    static let retransmissionsMax: UInt64 = 15

    // MARK: Sending

    /// Sends a piece from an end of a connection.
    func send(_ piece: StreamPiece, _ number: Int32, from side: Int) {
        let (from, to) = (self.connections[Int(number)].ends[side].node, self.connections[Int(number)].ends[1 - side].node)
        guard to >= 0, !self.connections[Int(number)].ends[side].hasEnded else {
            self.payloads.remove(piece.payload)
            return
        }
        if piece.kind != .bytes {
            self.connections[Int(number)].ends[side].hasEnded = true
        }
        let path = self.paths.path(from: from, to: to)
        let isSlow =
            self.connections[Int(number)].ends[side].stream.isSlow || path.loss > 0
            || self.paths.loss(from: to, to: from) > 0
        if isSlow {
            self.enqueue(piece, number, side)
            self.pump(number, side)
        } else {
            self.sendFast(piece, number, side, path)
        }
    }

    /// When a packet of this size that is sent now has left.
    private func departure(_ size: Int, from node: Int32) -> UInt64 {
        guard self.options.bandwidth > 0 else { return self.now }
        let place = self.places[Int(node)]
        // In nanoseconds, so that many small packets cost what they cost.
        let begin = max(self.now * 1_000, place.uplinkFreeAt)
        place.uplinkFreeAt = begin + UInt64(size) * 1_000_000_000 / self.options.bandwidth
        return place.uplinkFreeAt / 1_000
    }

    private func sendFast(_ piece: StreamPiece, _ number: Int32, _ side: Int, _ path: Path) {
        let left = max(self.departure(Int(piece.size), from: self.connections[Int(number)].ends[side].node), self.now)
        let at = max(left + self.latency(path), self.connections[Int(number)].ends[side].stream.lastArrival)
        self.connections[Int(number)].ends[side].stream.lastArrival = at
        self.push(
            .delivery,
            at: at,
            subject: number,
            payload: piece.payload,
            guardNumber: self.connections[Int(number)].use,
            detail: UInt32(piece.kind.rawValue),
            side: UInt8(1 - side)
        )
        if piece.kind == .bytes {
            self.depart(Int(piece.size), number, side, at: left)
        }
    }

    /// Tells the sending engine that bytes have left.
    private func depart(_ size: Int, _ number: Int32, _ side: Int, at time: UInt64) {
        let end = self.connections[Int(number)].ends[side]
        guard end.isOpen else { return }
        if end.stream.unreadBytes > Self.receiveBuffer {
            self.connections[Int(number)].ends[side].stream.heldDeparture += size
            return
        }
        let place = self.places[Int(end.node)]
        if time <= self.now, self.current === place {
            place.dirtyLinks.append((end.link, size))
            return
        }
        let use = self.connections[Int(number)].use
        self.push(.departure, at: max(time, self.now), subject: number, payload: Int32(clamping: size), guardNumber: use, side: UInt8(side))
    }

    func onDeparture(_ event: SimulatedEvent) {
        guard self.isUsed(event.subject, event.guardNumber) else { return }
        let end = self.connections[Int(event.subject)].ends[Int(event.side)]
        let place = self.places[Int(end.node)]
        guard end.isOpen, end.life == place.life else { return }
        self.give(.departed(link: end.link, size: Int(event.payload)), to: place)
    }

    // MARK: Without engines

    /// A connection whose ends no engine knows, to look at the streams alone; see ``onRawArrival``.
    func openRawConnection(from dialler: NodePlace, to acceptor: NodePlace) -> Int32 {
        let number = self.openConnection(
            ConnectionEnd(node: dialler.slot, life: dialler.life),
            to: acceptor.endpoint,
            deadline: self.now
        )
        self.connections[Int(number)].isAnswered = true
        self.connections[Int(number)].ends[0].isOpen = true
        self.connections[Int(number)].ends[1].isOpen = true
        return number
    }

    /// Sends a message of 64 bytes.
    func sendRaw(on connection: Int32, from side: Int) {
        let bytes = [UInt8](repeating: 0, count: 64)
        let payload = bytes.withUnsafeBytes { self.payloads.add($0) }
        self.send(StreamPiece(kind: .bytes, payload: payload, size: 64), connection, from: side)
    }

    // MARK: Arriving

    func onDelivery(_ event: SimulatedEvent) {
        guard self.isUsed(event.subject, event.guardNumber), let kind = StreamPiece.Kind(rawValue: UInt8(event.detail)) else {
            self.payloads.remove(event.payload)
            return
        }
        if self.paths.isDown(self.connections[Int(event.subject)].ends[Int(event.side)].node) {
            self.payloads.remove(event.payload)
            return
        }
        self.arrive(StreamPiece(kind: kind, payload: event.payload), event.subject, Int(event.side))
    }

    /// The next piece in order has reached the host of end `side`.
    private func arrive(_ piece: StreamPiece, _ number: Int32, _ side: Int) {
        if let onRawArrival = self.onRawArrival {
            self.payloads.remove(piece.payload)
            return onRawArrival(number, side)
        }
        let end = self.connections[Int(number)].ends[side]
        let place = self.places[Int(end.node)]
        guard end.isOpen, end.life == place.life, place.isRunning else {
            self.payloads.remove(piece.payload)
            if piece.kind == .bytes {
                self.sendReset(number, to: 1 - side)
            }
            return
        }
        switch piece.kind {
        case .bytes:
            let size = self.payloads.bytes(piece.payload).count
            self.connections[Int(number)].ends[1 - side].stream.unreadBytes += size
            let use = self.connections[Int(number)].use
            self.give(
                .bytes(link: end.link, payload: piece.payload, connection: number, use: use, side: UInt8(1 - side)),
                to: place
            )
        case .end, .abort:
            self.connections[Int(number)].ends[side].isOpen = false
            self.connections[Int(number)].ends[side].hasEnded = true
            self.freeIfOver(number)
            self.give(.closed(link: end.link, piece.kind == .end ? .ended : .reset), to: place)
        }
    }

    /// The process has read what end `side` sent.
    func noteRead(_ size: Int, _ number: Int32, use: UInt32, side: UInt8) {
        guard self.isUsed(number, use) else { return }
        let side = Int(side)
        self.connections[Int(number)].ends[side].stream.unreadBytes -= size
        let stream = self.connections[Int(number)].ends[side].stream
        if stream.heldDeparture > 0, stream.unreadBytes <= Self.receiveBuffer {
            self.connections[Int(number)].ends[side].stream.heldDeparture = 0
            self.depart(stream.heldDeparture, number, side, at: self.now)
        }
    }

    // MARK: Ends

    /// An end of a connection is closed by its process.
    func close(_ link: UInt64, of place: NodePlace, as kind: StreamPiece.Kind) {
        guard let at = place.links.removeValue(forKey: link), self.isUsed(at.connection, at.use) else { return }
        let (number, side) = (at.connection, Int(at.side))
        self.connections[Int(number)].ends[side].isOpen = false
        if side == 0, !self.connections[Int(number)].isAnswered {
            self.connections[Int(number)].isAnswered = true
            if self.connections[Int(number)].ends[1].isOpen {
                self.sendReset(number, to: 1)
            }
        } else {
            self.send(StreamPiece(kind: kind), number, from: side)
        }
        self.freeIfOver(number)
    }

    /// The host of the other end says that there is no such connection; a packet that can be lost.
    func sendReset(_ number: Int32, to side: Int) {
        let (from, to) = (self.connections[Int(number)].ends[1 - side].node, self.connections[Int(number)].ends[side].node)
        guard from >= 0, to >= 0 else { return }
        let path = self.paths.path(from: from, to: to)
        guard !self.roll({ $0.chance(path.loss) }) else { return }
        let at = max(self.now + self.latency(path), self.connections[Int(number)].ends[1 - side].stream.lastArrival)
        self.push(.reset, at: at, subject: number, guardNumber: self.connections[Int(number)].use, side: UInt8(side))
    }

    func onReset(_ event: SimulatedEvent) {
        guard self.isUsed(event.subject, event.guardNumber) else { return }
        let (number, side) = (event.subject, Int(event.side))
        let end = self.connections[Int(number)].ends[side]
        self.dropOutstanding(number, side)
        guard end.isOpen else {
            self.freeIfOver(number)
            return
        }
        self.connections[Int(number)].isAnswered = true
        self.connections[Int(number)].ends[side].isOpen = false
        self.connections[Int(number)].ends[side].hasEnded = true
        self.freeIfOver(number)
        let place = self.places[Int(end.node)]
        if end.life == place.life {
            self.give(.closed(link: end.link, .reset), to: place)
        }
    }

    func dropOutstanding(_ number: Int32, _ side: Int) {
        let stream = self.connections[Int(number)].ends[side].stream
        // What was delivered belongs to the receiver.
        let delivered = max(Int(Int32(bitPattern: stream.expected &- stream.firstNumber)), 0)
        for piece in stream.outstanding.dropFirst(delivered) {
            self.payloads.remove(piece.piece.payload)
        }
        self.connections[Int(number)].ends[side].stream.outstanding.removeAll()
        self.connections[Int(number)].ends[side].stream.sentCount = 0
    }
}

// MARK: - Over paths that lose

extension Simulation {
    /// Puts a piece, cut into packets, behind what is outstanding.
    private func enqueue(_ piece: StreamPiece, _ number: Int32, _ side: Int) {
        guard piece.kind == .bytes, Int(piece.size) > Self.segmentSize else {
            self.connections[Int(number)].ends[side].stream.outstanding.append(UnacknowledgedPiece(piece: piece))
            return
        }
        let bytes = self.payloads.bytes(piece.payload)
        var begin = 0
        while begin < bytes.count {
            let end = min(begin + Self.segmentSize, bytes.count)
            let part = self.payloads.add(UnsafeRawBufferPointer(rebasing: bytes[begin..<end]))
            let segment = StreamPiece(kind: .bytes, payload: part, size: Int32(end - begin))
            self.connections[Int(number)].ends[side].stream.outstanding.append(UnacknowledgedPiece(piece: segment))
            begin = end
        }
        self.payloads.remove(piece.payload)
    }

    /// Sends what the window allows for the first time.
    private func pump(_ number: Int32, _ side: Int) {
        while true {
            let stream = self.connections[Int(number)].ends[side].stream
            guard stream.sentCount < stream.outstanding.count, stream.sentCount < stream.window else { break }
            let next = stream.outstanding[stream.sentCount]
            self.connections[Int(number)].ends[side].stream.sentCount += 1
            if next.isAcknowledged { continue }
            self.connections[Int(number)].ends[side].stream.outstanding[stream.sentCount].wasSent = true
            self.sendSegment(stream.sentCount, number, side)
            if !next.wasSent, next.piece.kind == .bytes {
                self.depart(Int(next.piece.size), number, side, at: self.now)
            }
        }
        if !self.connections[Int(number)].ends[side].stream.isTimerSet {
            self.setTimer(number, side)
        }
    }

    private func sendSegment(_ index: Int, _ number: Int32, _ side: Int) {
        let (from, to) = (self.connections[Int(number)].ends[side].node, self.connections[Int(number)].ends[1 - side].node)
        self.connections[Int(number)].ends[side].stream.outstanding[index].sentAt = self.now
        let stream = self.connections[Int(number)].ends[side].stream
        let left = max(self.departure(Int(stream.outstanding[index].piece.size), from: from), self.now)
        let path = self.paths.path(from: from, to: to)
        guard !self.roll({ $0.chance(path.loss) }) else { return }
        let at = max(left + self.latency(path), stream.lastArrival)
        self.connections[Int(number)].ends[side].stream.lastArrival = at
        self.push(
            .segment,
            at: at,
            subject: number,
            // Each packet acknowledges what has come in the other direction.
            payload: Int32(bitPattern: self.connections[Int(number)].ends[1 - side].stream.expected),
            guardNumber: self.connections[Int(number)].use,
            detail: stream.firstNumber &+ UInt32(index),
            side: UInt8(1 - side)
        )
    }

    private func setTimer(_ number: Int32, _ side: Int) {
        self.connections[Int(number)].ends[side].stream.timer &+= 1
        let stream = self.connections[Int(number)].ends[side].stream
        self.connections[Int(number)].ends[side].stream.isTimerSet = stream.isSlow
        guard stream.isSlow else { return }
        let pause = min(SimulatedStream.retransmissionTime << min(stream.backoff, 10), SimulatedStream.retransmissionTimeMax)
        self.push(
            .retransmission,
            at: self.now + pause,
            subject: number,
            guardNumber: self.connections[Int(number)].use,
            detail: stream.timer,
            side: UInt8(side)
        )
    }

    func onRetransmission(_ event: SimulatedEvent) {
        guard self.isUsed(event.subject, event.guardNumber) else { return }
        let (number, side) = (event.subject, Int(event.side))
        let stream = self.connections[Int(number)].ends[side].stream
        guard stream.timer == event.detail, stream.isSlow else { return }
        let end = self.connections[Int(number)].ends[side]
        // A host that lost its power forgets its connections.
        guard !self.paths.isDown(end.node) else { return }
        if stream.backoff >= Self.retransmissionsMax {
            self.dropOutstanding(number, side)
            guard end.isOpen else { return self.freeIfOver(number) }
            self.connections[Int(number)].ends[side].isOpen = false
            self.freeIfOver(number)
            self.give(.closed(link: end.link, .timedOut), to: self.places[Int(end.node)])
            return
        }
        if !stream.hasProbed, stream.sentCount > 0 {
            self.connections[Int(number)].ends[side].stream.hasProbed = true
            self.sendSegment(stream.sentCount - 1, number, side)
        } else {
            // All that is under way counts as lost: what was not acknowledged is sent again as the window grows.
            self.connections[Int(number)].ends[side].stream.backoff += 1
            self.connections[Int(number)].ends[side].stream.window = 1
            self.connections[Int(number)].ends[side].stream.sentCount = 0
            self.pump(number, side)
        }
        self.setTimer(number, side)
    }

    func onSegment(_ event: SimulatedEvent) {
        guard self.isUsed(event.subject, event.guardNumber) else { return }
        let (number, receiver, sender) = (event.subject, Int(event.side), 1 - Int(event.side))
        let end = self.connections[Int(number)].ends[receiver]
        let place = self.places[Int(end.node)]
        guard !self.paths.isDown(end.node) else { return }
        guard self.onRawArrival != nil || (end.isOpen && end.life == place.life && place.isRunning) else {
            self.sendReset(number, to: sender)
            return
        }
        if self.connections[Int(number)].ends[receiver].stream.isSlow {
            self.acknowledge(upTo: UInt32(bitPattern: event.payload), number, receiver)
            guard self.isUsed(number, event.guardNumber) else { return }
        }
        let index = Int(Int32(bitPattern: event.detail &- self.connections[Int(number)].ends[sender].stream.firstNumber))
        let count = self.connections[Int(number)].ends[sender].stream.outstanding.count
        if index >= 0, index < count, !self.connections[Int(number)].ends[sender].stream.outstanding[index].hasArrived {
            self.connections[Int(number)].ends[sender].stream.outstanding[index].hasArrived = true
            self.deliverInOrder(number, receiver: receiver, use: event.guardNumber)
            // The receiver may have closed it meanwhile.
            guard self.isUsed(number, event.guardNumber) else { return }
        }
        let back = self.paths.path(from: end.node, to: self.connections[Int(number)].ends[sender].node)
        guard !self.roll({ $0.chance(back.loss) }) else { return }
        self.push(
            .acknowledgement,
            at: self.now + self.latency(back),
            subject: number,
            payload: Int32(bitPattern: self.connections[Int(number)].ends[sender].stream.expected),
            guardNumber: event.guardNumber,
            detail: event.detail,
            side: UInt8(sender)
        )
    }

    private func deliverInOrder(_ number: Int32, receiver: Int, use: UInt32) {
        let sender = 1 - receiver
        while self.isUsed(number, use) {
            let stream = self.connections[Int(number)].ends[sender].stream
            let next = Int(Int32(bitPattern: stream.expected &- stream.firstNumber))
            guard next >= 0, next < stream.outstanding.count, stream.outstanding[next].hasArrived else { return }
            self.connections[Int(number)].ends[sender].stream.expected &+= 1
            self.arrive(stream.outstanding[next].piece, number, receiver)
        }
    }

    func onAcknowledgement(_ event: SimulatedEvent) {
        guard self.isUsed(event.subject, event.guardNumber) else { return }
        let (number, side) = (event.subject, Int(event.side))
        guard !self.paths.isDown(self.connections[Int(number)].ends[side].node) else { return }
        let first = self.connections[Int(number)].ends[side].stream.firstNumber
        let index = Int(Int32(bitPattern: event.detail &- first))
        if index >= 0, index < self.connections[Int(number)].ends[side].stream.outstanding.count {
            self.connections[Int(number)].ends[side].stream.outstanding[index].isAcknowledged = true
        }
        self.acknowledge(upTo: UInt32(bitPattern: event.payload), number, side)
    }

    /// The other end has all pieces of end `side` before `cumulative`.
    private func acknowledge(upTo cumulative: UInt32, _ number: Int32, _ side: Int) {
        var popped = Int(Int32(bitPattern: cumulative &- self.connections[Int(number)].ends[side].stream.firstNumber))
        let isProgress = popped > 0
        while popped > 0, self.connections[Int(number)].ends[side].stream.isSlow {
            self.connections[Int(number)].ends[side].stream.outstanding.removeFirst()
            self.connections[Int(number)].ends[side].stream.firstNumber &+= 1
            let sent = self.connections[Int(number)].ends[side].stream.sentCount
            self.connections[Int(number)].ends[side].stream.sentCount = max(sent - 1, 0)
            popped -= 1
        }
        if isProgress {
            self.connections[Int(number)].ends[side].stream.backoff = 0
            self.connections[Int(number)].ends[side].stream.hasProbed = false
            self.grow(number, side)
            self.setTimer(number, side)
        }
        self.resendMissing(number, side)
        self.pump(number, side)
        if !self.connections[Int(number)].ends[side].isOpen {
            self.freeIfOver(number)
        }
    }

    private func grow(_ number: Int32, _ side: Int) {
        let window = self.connections[Int(number)].ends[side].stream.window
        self.connections[Int(number)].ends[side].stream.window = min(window + 1, SimulatedStream.windowMax)
    }

    /// Three later ones were acknowledged: it is lost (RFC 6675, section 4).
    private func resendMissing(_ number: Int32, _ side: Int) {
        let stream = self.connections[Int(number)].ends[side].stream
        guard stream.sentCount > 3 else { return }
        var later = 0
        var lost: [Int] = []
        for index in stride(from: stream.sentCount - 1, through: 0, by: -1) {
            if stream.outstanding[index].isAcknowledged {
                later += 1
            } else if later >= 3, self.now > stream.outstanding[index].sentAt + 2_000 {
                lost.append(index)
            }
        }
        guard !lost.isEmpty else { return }
        self.connections[Int(number)].ends[side].stream.window = max(stream.window / 2, 2)
        for index in lost.reversed() {
            self.sendSegment(index, number, side)
        }
    }
}
