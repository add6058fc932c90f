// SPDX-License-Identifier: Apache-2.0
// What happens to a packet on its way from one node to another.

/// How a path behaves at the moment, in one direction.
struct Path {
    /// Share of packets that are lost, 0 to 1; 1 is a cut.
    var loss: Double
    /// Microseconds on the way.
    var latency: UInt64
    /// On top of it, uniformly from 0 to this.
    var jitter: UInt64
}

/// Latency and jitter of a path, in one direction.
public struct PathDelay: Sendable, Hashable {
    /// On the way, at least.
    public var latency: Duration
    /// On top of it, uniformly from nothing to this.
    public var jitter: Duration

    /// A delay. What is longer than an hour counts as one.
    public init(latency: Duration, jitter: Duration = .zero) {
        self.latency = latency
        self.jitter = jitter
    }

    /// A local network: 0.5 ms, up to 0.1 ms more.
    public static let localNetwork = PathDelay(latency: .microseconds(500), jitter: .microseconds(100))

    var micros: (latency: UInt64, jitter: UInt64) {
        (min(self.latency, .seconds(3_600)).positiveMicros, min(self.jitter, .seconds(3_600)).positiveMicros)
    }
}

/// The state of all paths. Nodes are numbers of places (slots), which keep their meaning over restarts.
struct PathTable {
    private struct Pair: Hashable {
        var from: Int32
        var to: Int32
    }

    private struct Place {
        /// Nodes reach each other if they are in the same part.
        var part: Int32 = 0
        var lossIn = 0.0
        var lossOut = 0.0
        var isDown = false
        var delay: (latency: UInt64, jitter: UInt64)?
    }

    private var places: [Place] = []
    private var cuts: Set<Pair> = []
    private var losses: [Pair: Double] = [:]
    private let latency: UInt64
    private let jitter: UInt64
    /// Share of packets lost everywhere.
    var lossEverywhere = 0.0

    init(delay: PathDelay) {
        (self.latency, self.jitter) = delay.micros
    }

    mutating func addPlace() {
        self.places.append(Place())
    }

    mutating func setDelay(_ delay: PathDelay?, of place: Int32) {
        self.places[Int(place)].delay = delay?.micros
    }

    mutating func setPart(_ part: Int32, of place: Int32) {
        self.places[Int(place)].part = part
    }

    mutating func setDown(_ isDown: Bool, _ place: Int32) {
        self.places[Int(place)].isDown = isDown
    }

    /// The longest that a packet is under way, where none is lost.
    var slowestDelay: UInt64 {
        self.places.reduce(self.latency + self.jitter) { slowest, place in
            max(slowest, place.delay.map { $0.latency + $0.jitter } ?? 0)
        }
    }

    func isDown(_ place: Int32) -> Bool {
        self.places[Int(place)].isDown
    }

    /// Losses of all packets to, and from, one place.
    mutating func setLoss(inbound: Double, outbound: Double, at place: Int32) {
        self.places[Int(place)].lossIn = inbound
        self.places[Int(place)].lossOut = outbound
    }

    /// Losses on one path, in one direction.
    mutating func setLoss(_ loss: Double, from: Int32, to: Int32) {
        self.losses[Pair(from: from, to: to)] = loss == 0 ? nil : loss
    }

    mutating func setCut(_ isCut: Bool, from: Int32, to: Int32) {
        if isCut {
            self.cuts.insert(Pair(from: from, to: to))
        } else {
            self.cuts.remove(Pair(from: from, to: to))
        }
    }

    /// Everything is as it was at the beginning, but for places that are down and their delays.
    mutating func heal() {
        self.cuts = []
        self.losses = [:]
        self.lossEverywhere = 0
        for index in self.places.indices {
            self.places[index].part = 0
            self.places[index].lossIn = 0
            self.places[index].lossOut = 0
        }
    }

    func path(from: Int32, to: Int32) -> Path {
        let delay = self.places[Int(from)].delay ?? self.places[Int(to)].delay ?? (self.latency, self.jitter)
        return Path(loss: self.loss(from: from, to: to), latency: delay.latency, jitter: delay.jitter)
    }

    func loss(from: Int32, to: Int32) -> Double {
        let (source, target) = (self.places[Int(from)], self.places[Int(to)])
        if source.part != target.part || source.isDown || target.isDown {
            return 1
        }
        if !self.cuts.isEmpty, self.cuts.contains(Pair(from: from, to: to)) {
            return 1
        }
        var passed = (1 - self.lossEverywhere) * (1 - source.lossOut) * (1 - target.lossIn)
        if !self.losses.isEmpty, let loss = self.losses[Pair(from: from, to: to)] {
            passed *= 1 - loss
        }
        return passed == 1 ? 0 : 1 - passed
    }

    /// A path that loses more joins nobody: at half of the packets TCP is silent for longer than 5 s most of the time.
    static let lossOfOpenPath = 0.25

    /// Whether packets pass in both directions, but for a loss that TCP makes up for.
    func isOpen(_ a: Int32, _ b: Int32) -> Bool {
        self.loss(from: a, to: b) <= Self.lossOfOpenPath && self.loss(from: b, to: a) <= Self.lossOfOpenPath
    }
}
