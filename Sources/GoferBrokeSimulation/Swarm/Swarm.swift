// SPDX-License-Identifier: Apache-2.0
// Random scenarios of random faults, from a seed.

internal import GoferBrokeMembership

extension FaultScenario {
    /// A random cluster with random faults.
    public static func random(seed: UInt64) -> FaultScenario {
        var maker = ScenarioMaker(seed: seed)
        return maker.make()
    }
}

/// Makes one random scenario.
private struct ScenarioMaker {
    var random: SimulationRandom
    var scenario: FaultScenario
    /// Whether a node is meant to run.
    var runs: [Bool]
    var time = Duration.seconds(4)
    /// In some runs one node has much and changes it all the time, so that its lane takes several messages. Its randomness is its own.
    var hoarder: Int?
    var hoarding: SimulationRandom

    init(seed: UInt64) {
        self.random = SimulationRandom(seed: seed ^ 0x5eed_5eed_5eed_5eed)
        // Small clusters are meshes, larger ones have rings: both kinds often.
        let nodes = self.random.chance(0.5) ? 5 + self.random.below(12) : 17 + self.random.below(24)
        self.scenario = FaultScenario(seed: seed, nodes: nodes)
        self.runs = Array(repeating: true, count: nodes)
        self.hoarding = SimulationRandom(seed: seed ^ 0x40a2_d40a_2d40_a2d4)
        self.hoarder = self.hoarding.chance(0.2) ? self.hoarding.below(nodes) : nil
    }

    mutating func make() -> FaultScenario {
        self.chooseSettings()
        // Each run has its favourites: rare combinations become common in some.
        let kinds = self.random.sample(3 + self.random.below(5), of: Array(0..<14))
        let count = 20 + self.random.below(60)
        for _ in 0..<count {
            self.time += self.random.time(in: .milliseconds(self.random.chance(0.3) ? 0 : 20) ... .milliseconds(1_500))
            let kind = self.random.chance(0.45) ? 0 : self.random.pick(kinds) ?? 0
            self.add(kind)
        }
        self.scenario.calmAt = self.time + .seconds(1)
        return self.scenario
    }

    private mutating func chooseSettings() {
        if self.random.chance(0.3) {
            self.scenario.latency = self.random.time(in: .microseconds(50) ... .milliseconds(40))
            self.scenario.jitter = self.random.time(in: .zero ... .milliseconds(10))
        }
        if self.random.chance(0.5) {
            self.scenario.tombstoneGrace = self.random.time(in: .seconds(2) ... .seconds(20))
        }
        if self.random.chance(0.3) {
            self.scenario.retention = self.random.time(in: .seconds(10) ... .seconds(40))
        }
        self.scenario.isPushOn = !self.random.chance(0.15)
        if self.random.chance(0.2) {
            let hidden = self.random.sample(1 + self.random.below(2), of: Array(3..<self.scenario.nodes))
            self.scenario.behindNAT = hidden.sorted()
        }
    }

    private mutating func step(_ fault: Fault) {
        self.scenario.steps.append(FaultScenario.Step(time: self.time, fault: fault))
    }

    private mutating func node() -> Int {
        self.random.below(self.scenario.nodes)
    }

    private mutating func add(_ kind: Int) {
        switch kind {
        case 0: self.addWrites()
        case 1: self.addDeath()
        case 2: self.addStart()
        case 3: self.step(.freeze(self.node(), self.random.time(in: .milliseconds(100) ... .seconds(20))))
        case 4: self.addSplit()
        case 5: self.addCut()
        case 6: self.addLoss()
        case 7: self.step(.heal)
        case 8:
            self.step(.slow(self.node(), self.random.chance(0.5) ? .zero : self.random.time(in: .milliseconds(1) ... .milliseconds(30))))
        case 9:
            let ahead = self.random.chance(0.5) ? Duration.zero : self.random.time(in: .milliseconds(100) ... .seconds(30))
            self.step(.jump(self.node(), ahead: ahead, timeOfDay: self.random.time(in: .seconds(-3_600) ... .seconds(3_600))))
        case 10: self.step(.far(self.node(), self.random.time(in: .milliseconds(1) ... .milliseconds(60))))
        case 11: self.addConfiguration()
        case 12:
            // A death and at once a new life.
            let node = self.node()
            self.step(self.random.chance(0.5) ? .kill(node) : .cutPower(node))
            self.time += self.random.time(in: .zero ... .milliseconds(400))
            self.runs[node] = false
            self.addStart(node)
        default:
            for _ in 0..<(1 + self.random.below(4)) {
                self.step(.resetConnection(self.node()))
            }
        }
    }

    private mutating func addWrites() {
        var node = self.node()
        if let hoarder = self.hoarder, self.hoarding.chance(0.6) {
            node = hoarder
        }
        for _ in 0..<(1 + self.random.below(6)) {
            let key = self.random.below(12)
            if self.random.chance(0.3) {
                self.step(.delete(node, key: key))
            } else {
                let usual = self.random.chance(0.1) ? 20_000 : 8 + self.random.below(60)
                let size = node == self.hoarder ? 20_000 : usual
                let time = self.random.chance(0.2) ? self.random.time(in: .milliseconds(50) ... .seconds(8)) : .zero
                self.step(.write(node, key: key, size: size, timeToLive: time))
            }
        }
    }

    private mutating func addDeath() {
        let node = self.node()
        // Somebody is left to remember.
        guard self.runs.filter({ $0 }).count > 3 else { return self.addStart() }
        self.runs[node] = false
        self.step(self.random.pick([.kill(node), .cutPower(node), .leave(node)]) ?? .kill(node))
    }

    private mutating func addStart(_ chosen: Int? = nil) {
        let down = self.runs.indices.filter { !self.runs[$0] }
        guard let node = chosen ?? self.random.pick(down) else { return }
        self.runs[node] = true
        self.step(.start(node, keepsData: self.random.chance(0.5), isMoved: self.random.chance(0.3)))
    }

    private mutating func addSplit() {
        let count = self.scenario.nodes
        let order = self.random.sample(count, of: Array(0..<count))
        let cut = 1 + self.random.below(count - 1)
        var parts = [Array(order[..<cut]).sorted(), Array(order[cut...]).sorted()]
        if self.random.chance(0.2), parts[1].count > 1 {
            let second = 1 + self.random.below(parts[1].count - 1)
            parts = [parts[0], Array(parts[1][..<second]), Array(parts[1][second...])]
        }
        self.step(.split(parts))
        if self.random.chance(0.7) {
            self.time += self.random.time(in: .milliseconds(200) ... .seconds(25))
            self.step(.heal)
        }
    }

    private mutating func addCut() {
        let (from, to) = (self.node(), self.node())
        guard from != to else { return }
        self.step(self.random.chance(0.8) ? .cut(from, to) : .mend(from, to))
    }

    private mutating func addLoss() {
        let share = Double(5 + 5 * self.random.below(10)) / 100
        switch self.random.below(3) {
        case 0: self.step(.loss(self.random.chance(0.4) ? 0 : share / 2))
        case 1: self.step(.lossAt(self.node(), inbound: share, outbound: self.random.chance(0.5) ? 0 : share))
        default:
            let (from, to) = (self.node(), self.node())
            if from != to { self.step(.lossBetween(from, to, share)) }
        }
    }

    private mutating func addConfiguration() {
        let choices: [(String, [String])] = [
            ("Cluster.HeartbeatInterval", ["1s", "2s", "500ms"]),
            ("Cluster.GossipInterval", ["1s", "500ms"]),
            ("Cluster.PhiThreshold", ["8", "9", "12"]),
        ]
        guard let (key, values) = self.random.pick(choices), let value = self.random.pick(values) else { return }
        self.step(.configure(self.node(), key: key, value: value))
        if self.random.chance(0.5) {
            // At the same time elsewhere: one of the two must win everywhere.
            self.step(.configure(self.node(), key: key, value: self.random.pick(values) ?? value))
        }
    }
}
