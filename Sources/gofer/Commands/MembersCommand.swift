// SPDX-License-Identifier: Apache-2.0
// gofer members

internal import ArgumentParser
internal import GoferBroke

/// `gofer members`
struct MembersCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "members",
        abstract: "Shows who is in the cluster, as one node sees it.",
        discussion: """
            Examples:

              gofer members
              gofer members --node localhost:9081
              gofer members --json
            """
    )

    @OptionGroup var client: ClientOptions

    func run() throws {
        let (answer, payload) = try self.client.session().ask(ClientRequestMessage(.members), MembersAnswer.self)
        try self.client.print(payload) { MembersText.text(answer, for: $0) }
    }
}

/// The members as people read them.
enum MembersText {
    /// A table and a line that counts.
    static func text(_ answer: MembersAnswer, for terminal: Terminal) -> String {
        var table = Table(columns: [
            .flexible("NAME", least: 12),
            .fixed("STATUS"),
            .flexible("ADDRESS", least: 12, sacrifice: 3),
            .fixed("GENERATION", right: true, sacrifice: 5),
            .fixed("INC", right: true, sacrifice: 6),
            .fixed("PHI", right: true, sacrifice: 2),
            .fixed("LINKS", right: true, sacrifice: 4),
        ])
        for member in answer.members {
            table.rows.append([
                Table.Cell(member.name == answer.selfName ? "\(member.name) (self)" : member.name),
                Table.Cell(self.status(member), self.look(member.status)),
                Table.Cell(member.address ?? "-"),
                Table.Cell("\(member.generation)"),
                Table.Cell("\(member.incarnation)"),
                Table.Cell(member.phi.map { self.phi($0) } ?? "-"),
                Table.Cell("\(member.links)"),
            ])
        }
        var text = table.rendered(for: terminal)
        text += "\(self.counts(answer)) in cluster \(answer.cluster.shown())\n"
        let soleJudged = answer.members.filter { $0.soleJudge && $0.status != "dead" && $0.status != "left" }
        if !soleJudged.isEmpty {
            text += terminal.styled("Only one node judges \(self.list(soleJudged.map(\.name))): its word alone decides.", .faint) + "\n"
        }
        return text
    }

    private static func status(_ member: MemberAnswer) -> String {
        member.status == "suspect" && member.accusers > 0 ? "suspect (\(member.accusers))" : member.status
    }

    private static func counts(_ answer: MembersAnswer) -> String {
        let order = ["alive", "suspect", "dead", "left"]
        let parts = order.compactMap { status -> String? in
            let count = answer.members.count { $0.status == status }
            return count == 0 ? nil : "\(count) \(status)"
        }
        return "\(answer.members.count) \(answer.members.count == 1 ? "member" : "members") (\(parts.joined(separator: ", ")))"
    }

    /// The first few names.
    private static func list(_ names: [String]) -> String {
        let shown = names.prefix(3).map { $0.shown() }.joined(separator: ", ")
        return names.count > 3 ? "\(shown) and \(names.count - 3) more" : shown
    }

    /// One digit after the point.
    static func phi(_ phi: Double) -> String {
        let tenths = Int(min(max(phi, 0), 1_000_000) * 10)
        return "\(tenths / 10).\(tenths % 10)"
    }

    /// The colour of a status.
    static func look(_ status: String) -> Look {
        switch status {
        case "alive": return .good
        case "suspect": return .doubtful
        case "dead": return .bad
        case "left": return .faint
        default: return .plain
        }
    }
}
