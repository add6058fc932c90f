// SPDX-License-Identifier: Apache-2.0
// How nodes begin and end, and what befalls their hosts.

internal import DequeModule
internal import GoferBroke
internal import GoferBrokeConfiguration
internal import GoferBrokeMembership

extension Simulation {
    static let leaveTimeout = Duration.seconds(2)
    /// The time of day at the beginning, in milliseconds: generations come from it.
    static let timeOfDay: UInt64 = 1_800_000_000_000

    // MARK: Places

    /// A place for a node, where nothing runs yet.
    func addPlace(_ name: String) -> NodePlace {
        let slot = Int32(self.places.count)
        let place = NodePlace(
            slot: slot,
            name: name,
            detector: self.options.makeDetector(name, 1, DetectorSettings(self.options.cluster), 0),
            configuration: self.freshConfiguration(name, own: [])
        )
        self.places.append(place)
        self.paths.addPlace()
        self.giveAddress(to: place)
        self.placeByName[name] = slot
        self.history.addName(name)
        return place
    }

    /// The one that it has now, or the next that nobody has: a name may look like the address of somebody who moved.
    private func giveAddress(to place: NodePlace) {
        while self.placeByHost[place.host] != nil {
            place.moves += 1
            place.host = "\(place.name)-\(place.moves)"
        }
        self.placeByHost[place.host] = place.slot
    }

    private func freshConfiguration(_ name: String, own: [Delta]) -> ClusterState {
        // As if a file gave what is not the default: the founder publishes that, and all others take it over.
        let cluster = self.options.cluster
        let given = cluster.differences(from: ClusterConfiguration()).map(\.key.path)
        return ClusterState(name: name, file: ParsedConfiguration(cluster, givenKeys: given), own: own)
    }

    // MARK: Lives

    /// How a life begins.
    struct Start: Sendable {
        /// Whom to join through; none begins a cluster.
        var seeds: [Int32] = []
        /// Whether generation and own deltas of the life before are there.
        var keepsData = false
        /// A new address.
        var isMoved = false
        /// Whether the node judges others.
        var hasDetector = true

        init(seeds: [Int32] = [], keepsData: Bool = false, isMoved: Bool = false, hasDetector: Bool = true) {
            self.seeds = seeds
            self.keepsData = keepsData
            self.isMoved = isMoved
            self.hasDetector = hasDetector
        }
    }

    /// Starts a process at a place where none runs.
    func start(_ place: NodePlace, _ start: Start) {
        guard !place.isRunning else { return }
        if start.isMoved {
            self.placeByHost[place.host] = nil
            place.moves += 1
            place.host = "\(place.name)-\(place.moves)"
            self.giveAddress(to: place)
        }
        self.paths.setDown(false, place.slot)
        let deltas = start.keepsData ? place.keptDeltas : []
        let clock = UInt64(clamping: Int64(Self.timeOfDay + self.now / 1_000) + place.timeOfDayAhead)
        let generation = start.keepsData ? max(place.keptGeneration + 1, clock) : clock
        place.life += 1
        place.generation = generation
        place.keptGeneration = generation
        place.keptDeltas = []
        place.seeds = start.seeds
        place.startedAt = self.now
        place.nextHousekeeping = 0
        place.isJoined = false
        place.isLeaving = false
        place.stopReason = nil
        place.isFrozen = false
        place.busyUntil = 0
        place.timerAt = .max
        place.isWorkDue = false
        place.checkedNumber = 0
        place.seen = [:]
        place.forgotten = [:]
        let detectorSeed = self.roll { $0.next() }
        place.detector = self.options.makeDetector(place.name, generation, DetectorSettings(self.options.cluster), detectorSeed)
        place.configuration = self.freshConfiguration(place.name, own: deltas.filter { $0.lane == .config })
        self.open(place, start, deltas: deltas)
    }

    private func open(_ place: NodePlace, _ start: Start, deltas: [Delta]) {
        var options = EngineOptions(
            cluster: self.options.cluster.name,
            name: place.name,
            generation: place.generation,
            instance: self.roll { $0.next() } | 1,
            seed: self.roll { $0.next() },
            settings: EngineSettings(self.options.cluster, leaveTimeout: Self.leaveTimeout)
        )
        options.hasDetector = start.hasDetector
        options.addresses = [place.endpoint]
        options.seeds = start.seeds.map { self.places[Int($0)].endpoint }
        let local = place.clock(self.now)
        do throws(GoferBrokeError) {
            let engine = try EngineHandle(options, now: local)
            place.engine = engine
            self.history.begin(place)
            for delta in deltas {
                let time = UInt64(delta.timeToLive.map { $0.positiveMicros / 1_000 } ?? 0)
                try engine.set(
                    lane: delta.lane,
                    group: delta.group,
                    key: delta.key,
                    type: delta.type,
                    bytes: delta.bytes,
                    timeToLive: time,
                    now: local
                )
            }
            engine.join(now: local)
        } catch {
            self.violate(Violation(kind: .start, observer: place.name, text: "\(error)"))
            return
        }
        self.tell { "\(place.name) starts as generation \(place.generation) at \(place.host)" }
        self.settle(place)
    }

    /// The process is gone at once; its host goes on, and says so to whoever has a connection to it.
    func kill(_ place: NodePlace) {
        guard place.isRunning else { return }
        self.tell { "\(place.name) is killed" }
        self.end(place, as: self.roll { $0.chance(0.5) } ? .abort : .end)
    }

    /// The host is gone at once: nobody hears anything of it.
    func cutPower(_ place: NodePlace) {
        guard place.isRunning else { return }
        self.tell { "\(place.name) loses its power" }
        self.paths.setDown(true, place.slot)
        self.end(place, as: .abort)
    }

    /// Says good-bye.
    func leave(_ place: NodePlace) {
        guard let engine = place.engine, !place.isLeaving else { return }
        self.tell { "\(place.name) leaves" }
        place.isLeaving = true
        engine.leave(now: place.clock(self.now))
        self.settle(place)
    }

    /// The process ends.
    func end(_ place: NodePlace, as kind: StreamPiece.Kind) {
        guard let engine = place.engine else { return }
        place.keptDeltas = [DeltaLane.config, .user].flatMap { engine.deltas(of: place.name, lane: $0) ?? [] }
        place.keptGeneration = max(place.keptGeneration, place.generation)
        self.history.note(place, engine)
        for input in place.inbox {
            self.discard(input)
        }
        place.inbox.removeAll()
        place.dirtyLinks.removeAll()
        place.notices.removeAll()
        // Dictionaries have no order of their own that could be relied on.
        for link in place.links.keys.sorted() {
            self.close(link, of: place, as: kind)
        }
        place.links = [:]
        place.engine = nil
        place.timerAt = .max
        place.isFrozen = false
        place.lastUnwellAt = self.now
    }

    // MARK: Hosts

    /// Nothing goes in or out until it thaws; then what came meanwhile, in one burst.
    func freeze(_ place: NodePlace, for duration: Duration) {
        guard place.isRunning, !place.isFrozen else { return }
        self.tell { "\(place.name) freezes for \(duration)" }
        place.isFrozen = true
        place.thawAt = self.now + duration.positiveMicros
        place.lastUnwellAt = place.thawAt
        let life = place.life
        self.schedule(at: place.thawAt) { simulation in
            guard place.life == life, place.isFrozen else { return }
            simulation.checkNoticed(place, frozenFor: duration.positiveMicros)
            place.isFrozen = false
            place.lastUnwellAt = simulation.now
            simulation.tell { "\(place.name) thaws" }
            simulation.planWork(place)
        }
    }

    /// Each turn of the process takes so long; zero: no time at all.
    func setTurnCost(_ cost: Duration, of place: NodePlace) {
        place.turnCost = cost.positiveMicros
        self.tell { "\(place.name) takes \(cost) for each turn" }
    }

    /// The node's monotonic clock jumps ahead, as after a host slept; its time of day jumps either way.
    func jumpClock(of place: NodePlace, by ahead: Duration, timeOfDay: Duration) {
        place.clockAhead += ahead.positiveMicros
        place.timeOfDayAhead += timeOfDay.micros / 1_000
        place.timerAt = .max
        self.tell { "the clock of \(place.name) jumps by \(ahead), its time of day by \(timeOfDay)" }
        if ahead > .zero {
            place.lastUnwellAt = self.now
        }
        self.planWork(place)
    }

    // MARK: Writing

    /// Sets an own user value of a running node. Throws what the engine says.
    func set(
        _ place: NodePlace,
        lane: DeltaLane = .user,
        group: DeltaLabel,
        key: DeltaLabel,
        type: DeltaValueType = .bytes,
        bytes: [UInt8],
        timeToLive: Duration? = nil
    ) throws(GoferBrokeError) {
        guard let engine = place.engine else {
            throw GoferBrokeError(code: .closed, operation: "set \(group):\(key)", reason: "\(place.name) does not run")
        }
        let time = timeToLive.map { max($0.positiveMicros / 1_000, 1) } ?? 0
        try engine.set(lane: lane, group: group, key: key, type: type, bytes: bytes, timeToLive: time, now: place.clock(self.now))
        self.settle(place)
    }

    /// Deletes an own value. Throws `notFound` where there is none.
    func delete(_ place: NodePlace, lane: DeltaLane = .user, group: DeltaLabel, key: DeltaLabel) throws(GoferBrokeError) {
        guard let engine = place.engine else {
            throw GoferBrokeError(code: .closed, operation: "delete \(group):\(key)", reason: "\(place.name) does not run")
        }
        try engine.delete(lane: lane, group: group, key: key, now: place.clock(self.now))
        self.settle(place)
    }

    /// Changes a key of the cluster configuration through a node.
    func changeConfiguration(_ key: String, to text: String, through place: NodePlace) throws(ConfigurationError) {
        guard let engine = place.engine, place.configuration.isSettled else { return }
        let outcome = try place.configuration.change(key, to: text)
        self.tell { "\(place.name) sets \(key) of the cluster configuration to \(text)" }
        self.carryOut(outcome, at: place, engine)
        self.settle(place)
    }

    /// Closes one connection of a node, as a flaky middlebox does: both ends are reset.
    func resetRandomConnection(of place: NodePlace) -> Bool {
        let links = place.links.keys.sorted().filter { link in
            guard let at = place.links[link], self.isUsed(at.connection, at.use) else { return false }
            let ends = self.connections[Int(at.connection)].ends
            return ends[0].isOpen && ends[1].isOpen
        }
        guard let link = self.roll({ $0.pick(links) }), let at = place.links[link] else { return false }
        self.sendReset(at.connection, to: 0)
        self.sendReset(at.connection, to: 1)
        return true
    }
}
