// SPDX-License-Identifier: Apache-2.0
// What must hold once nothing befalls the cluster any more.

internal import GoferBroke

extension Simulation {
    /// Links that a node of a calm cluster may have: all others in a mesh, else two for each of four rings, and some of visits.
    func linkBound(_ memberCount: Int) -> Int {
        memberCount <= 20 ? memberCount + 4 : 20
    }

    /// Whether all that run know the same, hold each other for alive and everybody else for gone.
    func isAgreed() -> Bool {
        self.disagreement() == nil
    }

    /// The first thing that keeps the cluster from agreement; nil: all is well.
    func disagreement() -> Violation? {
        let running = self.running
        guard let first = running.first, let hash = first.engine?.mapHash else { return nil }
        for place in running {
            guard let engine = place.engine else { continue }
            if engine.mapHash != hash {
                let text = "knows other things than \(first.name): \(self.difference(engine, first.engine))"
                return Violation(kind: .disagreement, observer: place.name, text: text)
            }
            if self.options.hasConfiguration, place.configuration.configuration != first.configuration.configuration {
                let differences = place.configuration.configuration.differences(from: first.configuration.configuration)
                let words = differences.map { "\($0.key.path) \($0.text) instead of \($0.otherText)" }.joined(separator: ", ")
                let text = "has another cluster configuration than \(first.name): \(words)"
                return Violation(kind: .disagreement, observer: place.name, text: text)
            }
            if let violation = self.membershipViolation(at: place, engine, running) {
                return violation
            }
        }
        return nil
    }

    /// The first participant, by name, of which two nodes do not know the same.
    private func difference(_ a: EngineHandle, _ b: EngineHandle?) -> String {
        func known(_ engine: EngineHandle?) -> [String: String] {
            var found: [String: String] = [:]
            for known in engine?.participants(changedAfter: 0) ?? [] where known.versions != .zero {
                let versions = (0..<4).map { "\(known.versions[$0])" }.joined(separator: "/")
                found[known.name] = "\(known.name)@\(known.generation) \(versions)"
            }
            return found
        }
        let (here, there) = (known(a), known(b))
        for name in Set(here.keys).union(there.keys).sorted() where here[name] != there[name] {
            return "\(here[name] ?? "nothing of \(name)") instead of \(there[name] ?? "nothing of \(name)")"
        }
        return "only by their hash"
    }

    private func membershipViolation(at place: NodePlace, _ engine: EngineHandle, _ running: [NodePlace]) -> Violation? {
        var seen = 0
        for member in engine.members {
            guard let target = self.place(named: member.name) else { continue }
            if target.isRunning, target.generation == member.generation {
                seen += 1
                if member.status != .alive {
                    self.tellStory(of: target, by: place)
                    return Violation(kind: .membership, observer: place.name, text: "\(member.name) runs and is \(member.status)")
                }
            } else if member.status < .dead {
                let text = "\(member.name)@\(member.generation) is gone and is \(member.status)"
                return Violation(kind: .membership, observer: place.name, text: text)
            }
        }
        if seen != running.count {
            return Violation(kind: .membership, observer: place.name, text: "knows \(seen) of \(running.count) that run")
        }
        return nil
    }

    /// Bounds that hold in the calm, some time after agreement.
    func calmViolation() -> Violation? {
        for place in self.running {
            guard let engine = place.engine else { continue }
            let links = engine.statistics.linksOpen
            if links > self.linkBound(self.running.count) {
                return Violation(kind: .links, observer: place.name, text: "\(links) links among \(self.running.count) nodes")
            }
            engine.check()
        }
        return nil
    }
}
