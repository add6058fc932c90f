// SPDX-License-Identifier: Apache-2.0
// What can be chosen about the failure detector; all of it at run time.

/// The detector's settings. Values outside the stated ranges are brought to the nearest end when the detector takes them;
/// the configuration has refused them before, with a sentence.
public struct DetectorSettings: Hashable, Sendable {
    /// A link whose phi exceeds this is checked. 8 means one wrong check in 10^8 intervals of a steady peer. 1 to 100.
    public var phiThreshold: Double
    /// How many intervals between heartbeats are remembered for each link. 4 to 4,096.
    public var windowSize: Int
    /// Floor on the standard deviation: a very steady peer is still allowed this jitter. 1 ms to 1 minute.
    public var minimumDeviation: Duration
    /// Silence that is allowed beyond the mean interval (garbage collection, a lost segment). 0 to 1 hour.
    public var acceptablePause: Duration
    /// The interval at which peers send heartbeats; windows start from it. 10 ms to 1 hour.
    public var heartbeatInterval: Duration
    /// When the carrier gives up a probe and reports it. 10 ms to 1 minute.
    public var probeTimeout: Duration
    /// How many fresh dials a check makes at once. 1 to 8.
    public var parallelProbes: Int
    /// How many other monitors a check asks. 0 to 8.
    public var helperCount: Int
    /// The shortest time between the first accusation and a death, when many accuse. 0 to 1 hour.
    public var suspicionMinimum: Duration
    /// The time between the first accusation and a death when nobody confirms, or there is a single judge.
    /// From `suspicionMinimum` to 1 hour.
    public var suspicionMaximum: Duration
    /// How many confirmations bring the time from the maximum to the minimum. 1 to 64.
    public var suspicionConfirmations: Int
    /// Checks that may start per second, in the long run. 1 to 10,000.
    public var probeRate: Int
    /// Checks that may start at once after a calm; half of it is kept for lost links and silent peers. 2 to 10,000.
    public var probeBurst: Int
    /// How long an answer to a probe proves that the target can be reached. 100 ms to 1 hour.
    public var reachabilityLifetime: Duration
    /// How often the loop ticks the detector. A gap of more than five of these is a pause of our own. 1 ms to 1 minute.
    public var tickInterval: Duration
    /// How many entries the story of a peer keeps. 1 to 4,096.
    public var storyLength: Int

    /// Settings with the defaults that the parameters show.
    public init(
        phiThreshold: Double = 8,
        windowSize: Int = 100,
        minimumDeviation: Duration = .milliseconds(50),
        acceptablePause: Duration = .seconds(1),
        heartbeatInterval: Duration = .seconds(2),
        probeTimeout: Duration = .milliseconds(300),
        parallelProbes: Int = 3,
        helperCount: Int = 3,
        suspicionMinimum: Duration = .seconds(2),
        suspicionMaximum: Duration = .seconds(6),
        suspicionConfirmations: Int = 3,
        probeRate: Int = 32,
        probeBurst: Int = 64,
        reachabilityLifetime: Duration = .seconds(10),
        tickInterval: Duration = .milliseconds(100),
        storyLength: Int = 64
    ) {
        self.phiThreshold = phiThreshold
        self.windowSize = windowSize
        self.minimumDeviation = minimumDeviation
        self.acceptablePause = acceptablePause
        self.heartbeatInterval = heartbeatInterval
        self.probeTimeout = probeTimeout
        self.parallelProbes = parallelProbes
        self.helperCount = helperCount
        self.suspicionMinimum = suspicionMinimum
        self.suspicionMaximum = suspicionMaximum
        self.suspicionConfirmations = suspicionConfirmations
        self.probeRate = probeRate
        self.probeBurst = probeBurst
        self.reachabilityLifetime = reachabilityLifetime
        self.tickInterval = tickInterval
        self.storyLength = storyLength
    }

    /// The same settings with every value within its range.
    public func clamped() -> DetectorSettings {
        var result = self
        result.phiThreshold = self.phiThreshold.isNaN ? 8 : min(max(self.phiThreshold, 1), 100)
        result.windowSize = min(max(self.windowSize, 4), 4_096)
        result.minimumDeviation = min(max(self.minimumDeviation, .milliseconds(1)), .seconds(60))
        result.acceptablePause = min(max(self.acceptablePause, .zero), .seconds(3_600))
        result.heartbeatInterval = min(max(self.heartbeatInterval, .milliseconds(10)), .seconds(3_600))
        result.probeTimeout = min(max(self.probeTimeout, .milliseconds(10)), .seconds(60))
        result.parallelProbes = min(max(self.parallelProbes, 1), 8)
        result.helperCount = min(max(self.helperCount, 0), 8)
        result.suspicionMinimum = min(max(self.suspicionMinimum, .zero), .seconds(3_600))
        result.suspicionMaximum = min(max(self.suspicionMaximum, result.suspicionMinimum), .seconds(3_600))
        result.suspicionConfirmations = min(max(self.suspicionConfirmations, 1), 64)
        result.probeRate = min(max(self.probeRate, 1), 10_000)
        result.probeBurst = min(max(self.probeBurst, 2), 10_000)
        result.reachabilityLifetime = min(max(self.reachabilityLifetime, .milliseconds(100)), .seconds(3_600))
        result.tickInterval = min(max(self.tickInterval, .milliseconds(1)), .seconds(60))
        result.storyLength = min(max(self.storyLength, 1), 4_096)
        return result
    }
}

/// The settings in the units of the arithmetic: microseconds.
struct Timing: Sendable {
    let minimumDeviation: Int64
    let acceptablePause: Int64
    let heartbeatInterval: Int64
    let probeTimeout: Int64
    let suspicionMinimum: Int64
    let suspicionMaximum: Int64
    let reachabilityLifetime: Int64
    let tickInterval: Int64

    init(_ settings: DetectorSettings) {
        self.minimumDeviation = settings.minimumDeviation.wholeMicroseconds
        self.acceptablePause = settings.acceptablePause.wholeMicroseconds
        self.heartbeatInterval = settings.heartbeatInterval.wholeMicroseconds
        self.probeTimeout = settings.probeTimeout.wholeMicroseconds
        self.suspicionMinimum = settings.suspicionMinimum.wholeMicroseconds
        self.suspicionMaximum = settings.suspicionMaximum.wholeMicroseconds
        self.reachabilityLifetime = settings.reachabilityLifetime.wholeMicroseconds
        self.tickInterval = settings.tickInterval.wholeMicroseconds
    }

    /// A tick that is later by more than this means a pause of our own loop.
    var latenessAllowed: Int64 {
        4 * self.tickInterval
    }

    /// Between ticks while nothing goes on.
    var calmTickInterval: Int64 {
        max(self.tickInterval, min(5 * self.tickInterval, self.heartbeatInterval / 4))
    }
}
