// SPDX-License-Identifier: Apache-2.0
// How many columns of a terminal a text takes, and cutting it to fit.

extension Unicode.Scalar {
    /// Columns of a terminal: 0 for marks that stand on the character before, 2 for wide characters, else 1.
    fileprivate var columns: Int {
        switch self.properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .format, .control: return 0
        default: break
        }
        switch self.value {
        case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x33FF, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xA000...0xA4CF, 0xAC00...0xD7A3,
            0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F680...0x1F6FF,
            0x1F900...0x1F9FF, 0x20000...0x3FFFD:
            return 2
        default:
            return 1
        }
    }
}

extension Character {
    /// Columns of a terminal: those of the widest scalar, since the others stand on it.
    fileprivate var columns: Int { self.unicodeScalars.map(\.columns).max() ?? 0 }
}

extension String {
    /// Columns of a terminal.
    var columns: Int {
        self.utf8.allSatisfy { (0x20...0x7e).contains($0) } ? self.utf8.count : self.reduce(0) { $0 + $1.columns }
    }

    /// The text in at most so many columns; what is cut off shows as `…`.
    func elided(to width: Int) -> String {
        guard self.columns > width else { return self }
        guard width > 1 else { return width == 1 ? "…" : "" }
        var kept = ""
        var used = 0
        for character in self {
            guard used + character.columns <= width - 1 else { break }
            kept.append(character)
            used += character.columns
        }
        return kept + "…"
    }

    /// The text with blanks up to so many columns.
    func padded(to width: Int, right: Bool = false) -> String {
        let blanks = String(repeating: " ", count: max(0, width - self.columns))
        return right ? blanks + self : self + blanks
    }
}
