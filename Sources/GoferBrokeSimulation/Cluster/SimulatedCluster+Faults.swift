// SPDX-License-Identifier: Apache-2.0
// What befalls a simulated cluster. Each takes place at once, at the present time of the cluster.

internal import GoferBroke

extension SimulatedCluster {
    // MARK: Processes

    /// The process is gone at once. Its host goes on, and says so to whoever has a connection to it or dials it.
    public func kill(_ node: SimulatedNode) {
        self.end(node, .killed) { $0.kill($1) }
    }

    /// The host is gone at once: nobody hears anything of it, and connections to it are silent.
    public func cutPower(_ node: SimulatedNode) {
        self.end(node, .withoutPower) { $0.cutPower($1) }
    }

    private func end(_ node: SimulatedNode, _ status: SimulatedNode.Status, _ body: @Sendable (Simulation, NodePlace) -> Void) {
        self.change(node) { host, place in
            guard place.isRunning else { return }
            host.nodes[Int(place.slot)].end = status
            body(host.simulation, place)
        }
    }

    /// The node says good-bye, which takes up to two seconds. Does nothing where it is frozen or does not run.
    public func leave(_ node: SimulatedNode) {
        self.change(node) { host, place in
            if !place.isFrozen {
                host.simulation.leave(place)
            }
        }
    }

    /// Starts a process where none runs, under the same name; one that runs is killed first. Its handlers are made anew.
    ///
    /// - Parameters:
    ///   - keepsData: Whether its data directory is there: with it the node knows its generation and the values that it had set.
    ///   - isMoved: Whether it starts at a new address.
    ///   - seeds: Whom to join through; nil: the first three of the others.
    public func restart(_ node: SimulatedNode, keepsData: Bool = true, isMoved: Bool = false, seeds: [SimulatedNode]? = nil) {
        let slots = seeds.map { $0.map { self.slot($0) } }
        self.kill(node)
        let make = self.core.withHost { $0.nodes[Int(node.slot)].makeHandlers }
        // Application code: called while the lock is not held.
        let handlers = make()
        self.change(node) { host, place in
            let start = Simulation.Start(
                seeds: slots ?? host.usualSeeds(for: place.slot),
                keepsData: keepsData,
                isMoved: isMoved
            )
            host.start(place, start, handlers)
        }
    }

    /// Nothing goes in or out of a process for a time, and none of its handlers runs; then what came meanwhile, in one burst.
    public func freeze(_ node: SimulatedNode, for duration: Duration) {
        self.change(node) { $0.simulation.freeze($1, for: duration) }
    }

    /// Each turn of a process takes so long, reading, ticking and writing; zero: no time at all.
    public func slow(_ node: SimulatedNode, by time: Duration) {
        self.change(node) { $0.simulation.setTurnCost(time, of: $1) }
    }

    /// A process' monotonic clock jumps ahead, as after its host slept, and its time of day by another amount, either way.
    ///
    /// - Parameters:
    ///   - ahead: By how much the monotonic clock jumps; what is negative counts as nothing.
    ///   - timeOfDay: By how much the time of day jumps.
    public func jumpClock(of node: SimulatedNode, by ahead: Duration, timeOfDay: Duration = .zero) {
        self.change(node) { $0.simulation.jumpClock(of: $1, by: ahead, timeOfDay: timeOfDay) }
    }

    /// Resets one connection of a node, chosen by lot, as a middlebox does that forgot it: both ends see a reset.
    ///
    /// - Returns: Whether it had one.
    @discardableResult
    public func resetConnection(of node: SimulatedNode) -> Bool {
        let slot = self.slot(node)
        return self.core.withHost { $0.simulation.resetRandomConnection(of: $0.simulation.places[Int(slot)]) }
    }

    // MARK: Paths

    /// Splits the network: nodes of different lists don't reach each other, packets between them vanish without a word. Those named
    /// nowhere are with the first list. Takes the place of a split before.
    public func split(_ parts: [[SimulatedNode]]) {
        let slots = parts.map { $0.map { self.slot($0) } }
        self.core.withHost { host in
            let named = Set(slots.dropFirst().joined())
            let places = host.simulation.places
            let rest = places.filter { !named.contains($0.slot) }
            host.simulation.changePaths { $0.split([rest] + slots.dropFirst().map { $0.map { places[Int($0)] } }) }
            host.tell("the network is split: \(parts.map { $0.map(\.name).joined(separator: ",") }.joined(separator: " | "))")
        }
    }

    /// Splits, cuts and losses end. Delays stay, and who has no power.
    public func heal() {
        self.core.withHost { host in
            host.simulation.changePaths { $0.heal() }
            host.tell("the network heals")
        }
    }

    /// Cuts one direction: packets from one node to the other vanish, those the other way arrive.
    public func cut(from: SimulatedNode, to: SimulatedNode) {
        self.changePaths([from, to], "from \(from.name) to \(to.name) nothing passes") { $0.setCut(true, from: $1[0], to: $1[1]) }
    }

    /// Mends one direction.
    public func mend(from: SimulatedNode, to: SimulatedNode) {
        self.changePaths([from, to], "from \(from.name) to \(to.name) is mended") { $0.setCut(false, from: $1[0], to: $1[1]) }
    }

    /// Share of packets lost on all paths, 0 to 1. TCP makes up for them as TCP does: late.
    public func setLoss(_ share: Double) {
        Self.check(share)
        self.changePaths([], "\(share) of all packets are lost") { paths, _ in paths.setLossEverywhere(share) }
    }

    /// Share of packets lost on their way to one node, and from it, 0 to 1.
    public func setLoss(inbound: Double, outbound: Double, of node: SimulatedNode) {
        Self.check(inbound)
        Self.check(outbound)
        self.changePaths([node], "\(inbound) of the packets to \(node.name) are lost, \(outbound) of those from it") {
            $0.setLoss(inbound: inbound, outbound: outbound, at: $1[0])
        }
    }

    /// Share of packets lost in one direction between two nodes, 0 to 1.
    public func setLoss(_ share: Double, from: SimulatedNode, to: SimulatedNode) {
        Self.check(share)
        self.changePaths([from, to], "\(share) of the packets from \(from.name) to \(to.name) are lost") {
            $0.setLoss(share, from: $1[0], to: $1[1])
        }
    }

    /// How far away a node is, in both directions; nil: as far as all.
    public func setDelay(_ delay: PathDelay?, of node: SimulatedNode) {
        self.changePaths([node], "\(node.name) is \(delay.map { "\($0.latency) away" } ?? "as far away as all")") {
            $0.setDelay(delay, of: $1[0])
        }
    }

    /// Whether a node is behind a NAT: others can't dial it, their attempts get no answer. Links that are open stay.
    public func setBehindNAT(_ isBehindNAT: Bool, _ node: SimulatedNode) {
        self.change(node) { host, place in
            place.isBehindNAT = isBehindNAT
            host.tell("\(place.name) is \(isBehindNAT ? "" : "no longer ")behind a NAT")
        }
    }

    private static func check(_ share: Double) {
        precondition((0...1).contains(share), "a share of packets is 0 to 1, and \(share) is not")
    }

    private func change(_ node: SimulatedNode, _ body: @Sendable (ClusterHost, NodePlace) -> Void) {
        let slot = self.slot(node)
        self.core.withHost { body($0, $0.simulation.places[Int(slot)]) }
    }

    private func changePaths(_ nodes: [SimulatedNode], _ line: String, _ body: @Sendable (inout PathChanges, [NodePlace]) -> Void) {
        let slots = nodes.map { self.slot($0) }
        self.core.withHost { host in
            let places = slots.map { host.simulation.places[Int($0)] }
            host.simulation.changePaths { body(&$0, places) }
            host.tell(line)
        }
    }
}
