// SPDX-License-Identifier: Apache-2.0
// Deaths as they are declared: which of them are lies.

internal import GoferBroke
internal import GoferBrokeMembership

/// Deaths that were declared.
struct DeathWatch: Sendable {
    /// For so long a path must have joined observer and target, so that a death is false.
    static let window: UInt64 = 8_000_000

    /// Someone held for dead by someone.
    struct Death: Sendable, Hashable {
        var time: UInt64
        var observer: Int32
        var target: Int32
        var generation: UInt64
    }

    /// Of nodes that ran, could be reached all the time, and were declared dead by a healthy node.
    var falseDeaths: [Death] = []
    /// Of nodes that ran, for whatever reason.
    var countOfRunning = 0
    var count = 0
    /// Nodes that a scenario makes sick: their deaths are no lies, and their word counts for nothing.
    var faulty: Set<Int32> = []
    /// Whether the first false death ends the run.
    var isFatal = true

    /// The latest life of each node that somebody declared dead, by slot.
    var declared: [Int32: UInt64] = [:]
    /// Paths as they were from a time on, the latest last; older than the window they are forgotten.
    var epochs: [(from: UInt64, paths: PathTable)] = []
    var joined: JoinedParts?
}

/// Which nodes were joined by paths of well nodes over a whole window.
struct JoinedParts: Sendable {
    var until: UInt64
    var epochCount: Int
    /// By slot; -1: not well.
    var part: [Int32]
}

extension Simulation {
    /// Paths are about to change: what they are is remembered as long as a death can depend on it.
    func changePaths(_ change: (inout PathChanges) -> Void) {
        let horizon = self.now > DeathWatch.window ? self.now - DeathWatch.window : 0
        if self.deaths.epochs.isEmpty {
            self.deaths.epochs.append((0, self.paths))
        }
        var changes = PathChanges(table: self.paths, places: self.places)
        change(&changes)
        self.paths = changes.table
        self.deaths.epochs.append((self.now, self.paths))
        while self.deaths.epochs.count > 1, self.deaths.epochs[1].from <= horizon {
            self.deaths.epochs.removeFirst()
        }
        self.deaths.joined = nil
    }

    func noteDeath(of member: GoferBroke.Member, by observer: NodePlace) {
        self.deaths.count += 1
        guard let slot = self.placeByName[member.name] else { return }
        self.deaths.declared[slot] = max(self.deaths.declared[slot] ?? 0, member.generation)
        let target = self.places[Int(slot)]
        guard target.isRunning, target.generation == member.generation, !target.isLeaving else { return }
        self.deaths.countOfRunning += 1
        self.tell { "\(observer.name) holds \(target.name) for dead, which runs" }
        guard !self.deaths.faulty.contains(slot), !self.deaths.faulty.contains(observer.slot) else { return }
        guard !target.isBehindNAT || self.isCalmForNAT(observer, target), self.areJoined(observer, target) else { return }
        // Who does not know, or not yet, where it has moved to cannot dial it.
        guard observer.engine?.member(target.name)?.address == target.endpoint else { return }
        self.deaths.falseDeaths.append(
            .init(time: self.now, observer: observer.slot, target: slot, generation: member.generation)
        )
        self.tellStory(of: target, by: observer)
        if self.deaths.isFatal {
            self.violate(.falseDeath, at: observer, "\(target.name)@\(member.generation) runs and can be reached")
        }
    }

    /// Whether some node declared that life, or a later one, dead before.
    func isDeclaredDead(_ member: GoferBroke.Member) -> Bool {
        guard let slot = self.placeByName[member.name], let generation = self.deaths.declared[slot] else { return false }
        return generation >= member.generation
    }

    /// What the observer's detector knew.
    func tellStory(of target: NodePlace, by observer: NodePlace) {
        let detector = observer.detector
        guard self.trace != nil,
            let report = detector.member(target.name, at: .init(microseconds: observer.clock(self.now)))
        else { return }
        for entry in detector.story(of: target.name) {
            self.tell { "  story of \(target.name) at \(observer.name): \(entry)" }
        }
        let accusers = report.accusers.map { "\($0) (\(detector.status(of: $0)?.description ?? "self"))" }
        self.tell { "  accusers: \(accusers.joined(separator: ", ")); judges: \(report.judges.joined(separator: ", "))" }
    }

    /// After a split a node that nobody can dial is at the mercy of its own dials: it has to bury its old neighbours before it
    /// looks for new ones, and so after the other one froze. So its death is a lie only where both were well for twice the window,
    /// paths stayed as they were, and lost nothing.
    private func isCalmForNAT(_ observer: NodePlace, _ target: NodePlace) -> Bool {
        let last = self.deaths.epochs.last
        let calm = 2 * DeathWatch.window
        guard self.now >= (last?.from ?? 0) + calm, (last?.paths.lossEverywhere ?? 0) == 0 else { return false }
        return self.isWell(observer, since: self.now - calm) && self.isWell(target, since: self.now - calm)
    }

    /// Whether both were well and joined by a path of well nodes for the whole window.
    private func areJoined(_ a: NodePlace, _ b: NodePlace) -> Bool {
        if let joined = self.deaths.joined, self.now < joined.until, joined.epochCount == self.deaths.epochs.count {
            return joined.part[Int(a.slot)] >= 0 && joined.part[Int(a.slot)] == joined.part[Int(b.slot)]
        }
        // For a tenth of a second the answer is as good as now.
        let part = self.joinedParts()
        self.deaths.joined = JoinedParts(until: self.now + 100_000, epochCount: self.deaths.epochs.count, part: part)
        return part[Int(a.slot)] >= 0 && part[Int(a.slot)] == part[Int(b.slot)]
    }

    func isWell(_ place: NodePlace, since time: UInt64) -> Bool {
        place.isRunning && !place.isFrozen && place.turnCost == 0 && max(place.startedAt, place.lastUnwellAt) <= time
    }

    private func joinedParts() -> [Int32] {
        let since = self.now > DeathWatch.window ? self.now - DeathWatch.window : 0
        let tables = self.deaths.epochs.isEmpty ? [self.paths] : self.deaths.epochs.map(\.paths)
        var part = [Int32](repeating: -1, count: self.places.count)
        var rest = self.places.filter { self.isWell($0, since: since) }.map(\.slot)
        var number: Int32 = 0
        while let first = rest.popLast() {
            var frontier = [first]
            part[Int(first)] = number
            while let at = frontier.popLast() {
                var left: [Int32] = []
                for other in rest {
                    // Of two nodes that nobody can dial neither can begin.
                    let isDiallable = !self.places[Int(at)].isBehindNAT || !self.places[Int(other)].isBehindNAT
                    if isDiallable, tables.allSatisfy({ $0.isOpen(at, other) }) {
                        part[Int(other)] = number
                        frontier.append(other)
                    } else {
                        left.append(other)
                    }
                }
                rest = left
            }
            number += 1
        }
        return part
    }
}

/// Changes of paths, all at one moment.
struct PathChanges {
    var table: PathTable
    let places: [NodePlace]

    /// Splits the network: nodes of different lists do not reach each other. Those named nowhere are with the first.
    mutating func split(_ parts: [[NodePlace]]) {
        for (number, part) in parts.enumerated() {
            for place in part {
                self.table.setPart(Int32(number), of: place.slot)
            }
        }
    }

    /// Cuts, or mends, one direction between two nodes.
    mutating func setCut(_ isCut: Bool, from: NodePlace, to: NodePlace) {
        self.table.setCut(isCut, from: from.slot, to: to.slot)
    }

    /// Share of packets lost on all paths.
    mutating func setLossEverywhere(_ loss: Double) {
        self.table.lossEverywhere = loss
    }

    /// Share of packets lost to and from one node.
    mutating func setLoss(inbound: Double, outbound: Double, at place: NodePlace) {
        self.table.setLoss(inbound: inbound, outbound: outbound, at: place.slot)
    }

    /// Share of packets lost on one path, in one direction.
    mutating func setLoss(_ loss: Double, from: NodePlace, to: NodePlace) {
        self.table.setLoss(loss, from: from.slot, to: to.slot)
    }

    /// Another delay to and from one node; nil: the network's.
    mutating func setDelay(_ delay: PathDelay?, of place: NodePlace) {
        self.table.setDelay(delay, of: place.slot)
    }

    /// No parts, cuts and losses any more.
    mutating func heal() {
        self.table.heal()
    }
}
