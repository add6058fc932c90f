// SPDX-License-Identifier: Apache-2.0
// In the calm: pushes reach everybody at once, also while connections break.

internal import GoferBroke

extension Simulation {
    /// Writes through some nodes, breaks connections in between, and looks how long each write takes. Anti-entropy alone would take
    /// some heartbeats.
    func checkPushes() {
        self.run(for: .seconds(3))
        let writers = self.roll { [running = self.running] in $0.sample(min(3, running.count), of: running) }
        for (number, writer) in writers.enumerated() where writer.isRunning && self.violations.isEmpty {
            // The first make the writer's tree; then its edges break.
            for round in 0..<4 {
                if round >= 2 { self.breakConnections(of: writer, all: round == 3) }
                if let late = self.pulse(writer, key: "pulse-\(number)-\(round)") { return self.violate(late) }
            }
        }
    }

    private func breakConnections(of writer: NodePlace, all: Bool) {
        let count = all ? writer.links.count : 1
        for _ in 0..<count {
            _ = self.resetRandomConnection(of: writer)
        }
    }

    /// What is late of a write: nil where it came to all.
    private func pulse(_ writer: NodePlace, key: String) -> Violation? {
        let label = DeltaLabel(key)
        let begin = self.now
        do {
            try self.set(writer, group: Self.swarmGroup, key: label, bytes: [1])
        } catch {
            return Violation(kind: .lag, observer: writer.name, text: "\(error)")
        }
        // Whom nobody can dial waits for its own dials.
        func isLate(_ place: NodePlace) -> Bool {
            !place.isBehindNAT && place.engine?.delta(lane: .user, group: Self.swarmGroup, key: label, from: writer.name) == nil
        }
        let bound = Duration.microseconds(Int64(self.pushBound))
        if self.run(within: bound, step: .milliseconds(5), until: { !self.running.contains(where: isLate) }) { return nil }
        let late = self.running.filter(isLate).map(\.name).joined(separator: ", ")
        let text = "a write has not come to \(late) after \((self.now - begin) / 1_000) ms"
        return Violation(kind: .lag, observer: writer.name, text: text)
    }

    /// Some hops, some of them by I-HAVE and GRAFT, and where a connection broke another dial and an exchange; less than the two seconds
    /// between heartbeats, which find a difference by themselves.
    private var pushBound: UInt64 {
        1_000_000 + 24 * self.paths.slowestDelay
    }
}
