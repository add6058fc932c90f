// SPDX-License-Identifier: Apache-2.0
// Why a member stands as it does, in words.

internal import GoferBrokeConfiguration
package import GoferBrokeMembership

/// What a detector knows of one member, and why.
package struct Explanation: Sendable {
    let now: DetectorTime
    let report: MemberReport?
    let story: [StoryEntry]
    let facts: [ReachabilityFact]
    let localHealth: Int

    package init(of name: String, by detector: any FailureDetector, at now: DetectorTime) {
        self.now = now
        self.report = detector.member(name, at: now)
        self.story = detector.story(of: name)
        self.facts = detector.reachability.filter { NodeName($0.target) == NodeName(name) }
        self.localHealth = detector.localHealth
    }

    /// For people: how the member stands, on whose word, and the story of what was seen of it.
    package func lines(of member: Member) -> [String] {
        var lines = [
            "\(member.name) is \(member.status), generation \(member.generation), incarnation \(member.incarnation)"
                + (member.isSelf ? ", this node" : "")
        ]
        lines.append("address \(member.address.map(\.description) ?? "unknown")" + (member.isDiallable ? ", answered there" : ""))
        if member.isSelf {
            lines.append("local health \(self.localHealth) of 8 (0 is well): timeouts are stretched by it")
            lines.append("\(member.links) links open")
            return lines
        }
        let phi = Double(Int(min(member.phi, 1e6) * 100)) / 100
        lines.append(member.links > 0 ? "linked, phi \(phi)" : "no link to it")
        if !member.hasDetector {
            lines.append("it has no failure detector: it is watched, and judges nobody")
        }
        if let report = self.report {
            lines.append("accused by \(report.accusers.isEmpty ? "nobody" : report.accusers.joined(separator: ", "))")
            lines.append("watched by \(report.monitors.joined(separator: ", "))")
            lines.append("judged by \(report.judges.joined(separator: ", "))" + (report.hasSoleJudge ? " alone" : ""))
        }
        for fact in self.facts {
            lines.append("reached by \(fact.observer ?? "this node") \(self.ago(fact.time))")
        }
        for entry in self.story {
            lines.append("\(self.ago(entry.time)): \(entry.event)")
        }
        return lines
    }

    private func ago(_ time: DetectorTime) -> String {
        let millis = (self.now - time) / .milliseconds(1)
        guard millis >= 1_000 else { return "\(Int(max(millis, 0))) ms ago" }
        return "\(Int(millis / 1_000)).\(Int(millis / 100) % 10) s ago"
    }
}

extension Member {
    /// With what the detector says of it, and for self the number of its links.
    package func completed(by report: MemberReport?, ownLinks: Int) -> Member {
        var member = self
        if member.isSelf {
            member.links = ownLinks
        } else if let report, report.generation == member.generation {
            member.phi = report.phi
            member.hasSoleJudge = report.hasSoleJudge
        }
        return member
    }
}
