// SPDX-License-Identifier: Apache-2.0
// Text from the cluster, made safe for a terminal: a value must never drive it.

/// What of a text is kept when it is made visible.
enum Lines {
    /// Line breaks and tabs become visible escapes: for cells, names and log lines.
    case one
    /// Line breaks and tabs stay: for a value printed alone.
    case many
}

extension Unicode.Scalar {
    /// Characters that move the cursor, change colours, or reorder what stands beside them.
    var drivesTerminal: Bool {
        switch self.value {
        case 0x202A...0x202E, 0x2066...0x2069, 0x200E, 0x200F, 0x061C: return true
        default: break
        }
        switch self.properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator: return true
        default: return false
        }
    }
}

extension String {
    /// The text with everything that drives a terminal as an escape: `\n`, `\u{1b}`.
    func shown(_ lines: Lines = .one) -> String {
        guard self.utf8.hasUnprintable, self.unicodeScalars.contains(where: \.drivesTerminal) else { return self }
        var result = String.UnicodeScalarView()
        for scalar in self.unicodeScalars {
            if lines == .many, scalar == "\n" || scalar == "\t" {
                result.append(scalar)
            } else if scalar.drivesTerminal {
                result.append(contentsOf: scalar.escape.unicodeScalars)
            } else {
                result.append(scalar)
            }
        }
        return String(result)
    }
}

extension Sequence<UInt8> {
    /// Whether there is anything but printable ASCII: large values are looked at closely only then.
    fileprivate var hasUnprintable: Bool {
        self.withContiguousStorageIfAvailable { $0.contains { $0 < 0x20 || $0 > 0x7e } } ?? true
    }
}

extension Unicode.Scalar {
    fileprivate var escape: String {
        switch self {
        case "\n": return "\\n"
        case "\r": return "\\r"
        case "\t": return "\\t"
        default: return "\\u{\(String(self.value, radix: 16))}"
        }
    }
}

extension [UInt8] {
    /// Bytes for a terminal: text where they are text, `\xNN` for each byte that is not.
    func shown(_ lines: Lines = .one) -> String {
        if let text = String(validating: self, as: UTF8.self) { return text.shown(lines) }
        var result = ""
        for byte in self {
            let isPlain = (0x20...0x7e).contains(byte) || (lines == .many && (byte == 0x0a || byte == 0x09))
            result += isPlain ? String(Unicode.Scalar(byte)) : "\\x" + byte.hex
        }
        return result
    }

    /// Two lower-case digits a byte.
    var hex: String { self.map(\.hex).joined() }

    /// Reads what ``hex`` writes, in either case; blanks between bytes are fine. Nil for anything else.
    init?(hex text: String) {
        let digits = text.unicodeScalars.filter { $0 != " " && $0 != "\n" && $0 != "\t" }
        guard digits.count.isMultiple(of: 2) else { return nil }
        var bytes: [UInt8] = []
        var high: UInt8?
        for digit in digits {
            guard digit.isASCII, let value = Character(digit).hexDigitValue else { return nil }
            if let first = high {
                bytes.append(first << 4 | UInt8(value))
                high = nil
            } else {
                high = UInt8(value)
            }
        }
        self = bytes
    }
}

extension UInt8 {
    fileprivate var hex: String { (self < 16 ? "0" : "") + String(self, radix: 16) }
}

/// JSON of a node, made safe to print on one line.
enum ShownJSON {
    /// The same JSON on one line, with characters that drive a terminal as `\u` escapes.
    ///
    /// - Parameter bytes: Valid JSON. There such characters are either blanks between tokens or inside strings.
    static func line(_ bytes: [UInt8]) -> String {
        let text = String(decoding: bytes, as: UTF8.self)
        guard bytes.hasUnprintable, text.unicodeScalars.contains(where: \.drivesTerminal) else { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            if !scalar.drivesTerminal {
                result.unicodeScalars.append(scalar)
            } else if scalar == "\n" || scalar == "\r" || scalar == "\t" {
                result += " "
            } else {
                for unit in UTF16.encode(scalar) ?? UTF16.encodedReplacementCharacter {
                    let digits = String(unit, radix: 16)
                    result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                }
            }
        }
        return result
    }
}
