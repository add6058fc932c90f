// SPDX-License-Identifier: Apache-2.0
// Tables that fit the terminal: wide cells are cut with `…`, and columns that find no room are named below.

/// A table of text.
struct Table {
    /// A column.
    struct Column {
        /// The heading.
        var title: String
        /// Whether numbers stand under each other.
        var isRight = false
        /// The fewest columns of the terminal that it can be cut to; nil where it is never cut.
        var least: Int?
        /// The greater, the earlier it is left out where nothing can be cut any more; 0 stays.
        var sacrifice = 0

        /// A column that is never cut.
        static func fixed(_ title: String, right: Bool = false, sacrifice: Int = 0) -> Column {
            Column(title: title, isRight: right, sacrifice: sacrifice)
        }

        /// A column that can be cut.
        static func flexible(_ title: String, least: Int = 8, sacrifice: Int = 0) -> Column {
            Column(title: title, least: least, sacrifice: sacrifice)
        }
    }

    /// A cell.
    struct Cell: ExpressibleByStringLiteral {
        /// Safe text.
        var text: String
        /// How it looks.
        var look: Look

        /// Makes a cell from any text, which is made safe.
        init(_ text: String, _ look: Look = .plain) {
            self.text = text.shown()
            self.look = look
        }

        /// Makes a plain cell.
        init(stringLiteral value: String) {
            self.init(value)
        }
    }

    /// The columns.
    var columns: [Column]
    /// The rows, each with a cell a column.
    var rows: [[Cell]] = []

    private static let gap = 2

    /// The lines, each ended by a line break. `width` nil: as wide as it needs to be.
    func rendered(for terminal: Terminal) -> String {
        let natural = self.columns.indices.map { index in
            self.rows.reduce(self.columns[index].title.columns) { max($0, $1[index].text.columns) }
        }
        let (widths, hidden) = self.layout(natural, within: terminal.width)
        let shown = self.columns.indices.filter { !hidden.contains($0) }
        var text = ""
        let titles = self.columns.map { Cell($0.title, .heading) }
        for row in [titles] + self.rows {
            let cells = shown.map { index -> String in
                let isLast = index == shown.last && !self.columns[index].isRight
                let cut = row[index].text.elided(to: widths[index])
                let padded = isLast ? cut : cut.padded(to: widths[index], right: self.columns[index].isRight)
                return terminal.styled(padded, row[index].look)
            }
            text += cells.joined(separator: String(repeating: " ", count: Table.gap)) + "\n"
        }
        if !hidden.isEmpty {
            let names = hidden.sorted().map { self.columns[$0].title }.joined(separator: ", ")
            text +=
                terminal.styled("(no room for \(names); a wider terminal or --json shows them)".elided(to: terminal.width ?? .max), .faint)
                + "\n"
        }
        return text
    }

    /// First cuts the widest flexible columns, then leaves columns out.
    private func layout(_ natural: [Int], within width: Int?) -> (widths: [Int], hidden: Set<Int>) {
        guard let width else { return (natural, []) }
        var widths = natural
        var hidden: Set<Int> = []
        while self.total(widths, hidden) > width {
            let cuttable = widths.indices.filter { index in
                guard let least = self.columns[index].least, !hidden.contains(index) else { return false }
                return widths[index] > min(least, natural[index])
            }
            if let widest = cuttable.max(by: { widths[$0] < widths[$1] }) {
                widths[widest] -= 1
                continue
            }
            let candidates = self.columns.indices.filter { !hidden.contains($0) && self.columns[$0].sacrifice > 0 }
            guard let next = candidates.max(by: { self.columns[$0].sacrifice < self.columns[$1].sacrifice }) else { break }
            hidden.insert(next)
            // There is room again: begin anew with what is left.
            widths = natural
        }
        return (widths, hidden)
    }

    private func total(_ widths: [Int], _ hidden: Set<Int>) -> Int {
        let shown = widths.indices.filter { !hidden.contains($0) }
        return shown.reduce(0) { $0 + widths[$1] } + max(0, shown.count - 1) * Table.gap
    }
}
