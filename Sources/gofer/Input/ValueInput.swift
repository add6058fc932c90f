// SPDX-License-Identifier: Apache-2.0
// Values, keys and durations as they are written on the command line.

internal import GoferBroke
internal import GoferBrokeConfiguration

/// Reading what was typed.
enum ValueInput {
    /// The value of a type that a text stands for.
    ///
    /// - Parameters:
    ///   - text: As typed: text for `string`, digits for numbers, `true` or `false`, hexadecimal digits for `bytes`.
    ///   - typeName: The type by name; nil means `string`, or `bytes` where `isHex`.
    ///   - isHex: The text is hexadecimal digits, for `bytes` and for UTF-8 of a `string`.
    static func value(_ text: String, typeName: String?, isHex: Bool) throws(CommandFailure) -> (type: DeltaValueType, value: ClientValue) {
        let type = try self.type(typeName ?? (isHex ? "bytes" : "string"))
        if isHex || type == .bytes {
            guard type == .bytes || type == .string else {
                throw .usage("--hex goes with --type bytes or string, not \(type)")
            }
            guard isHex else {
                throw .usage("bytes are given as hexadecimal digits: add --hex")
            }
            guard let bytes = [UInt8](hex: text) else {
                throw .usage("\(text.quoted) is not hexadecimal: two digits a byte are expected, such as 00ff")
            }
            guard type == .bytes || String(validating: bytes, as: UTF8.self) != nil else {
                throw .usage("these bytes are not UTF-8; use --type bytes")
            }
            return (type, .base64(bytes))
        }
        return (type, try self.value(text, of: type))
    }

    private static func type(_ name: String) throws(CommandFailure) -> DeltaValueType {
        guard let type = DeltaValueType(name: name) else {
            let list = DeltaValueType.all.map(\.description).joined(separator: ", ")
            throw .usage("unknown type \(name.quoted); there are \(list)")
        }
        return type
    }

    private static func value(_ text: String, of type: DeltaValueType) throws(CommandFailure) -> ClientValue {
        switch type {
        case .string: return .text(text)
        case .bool:
            guard text == "true" || text == "false" else {
                throw .usage("\(text.quoted) is not a bool: true or false is expected")
            }
            return .bool(text == "true")
        case .float64:
            if ["NaN", "Infinity", "-Infinity"].contains(text) { return .text(text) }
            guard let value = Quantity.float(text) else {
                throw .usage("\(text.quoted) is not a float64: a number such as 1.5e3, NaN, Infinity or -Infinity is expected")
            }
            return .number(value)
        case .int, .int64: return try self.integer(text, type, Int64.self)
        case .int8: return try self.integer(text, type, Int8.self)
        case .int16: return try self.integer(text, type, Int16.self)
        case .int32: return try self.integer(text, type, Int32.self)
        case .uint8: return try self.integer(text, type, UInt8.self)
        case .uint16: return try self.integer(text, type, UInt16.self)
        case .uint32: return try self.integer(text, type, UInt32.self)
        case .uint64: return try self.integer(text, type, UInt64.self)
        default: throw .usage("there is no value type \(type)")
        }
    }

    private static func integer<Number: FixedWidthInteger>(
        _ text: String,
        _ type: DeltaValueType,
        _ number: Number.Type
    ) throws(CommandFailure) -> ClientValue {
        guard let value = Number(text, radix: 10) else {
            let kind = type == .int || type == .int8 || type == .int16 || type == .int32 || type == .int64 ? "an" : "a"
            throw .usage("\(text.quoted) is not \(kind) \(type): an integer from \(Number.min) to \(Number.max) is expected")
        }
        return value < 0 ? .signed(Int64(value)) : .unsigned(UInt64(value))
    }

    /// The most bytes of a file: no node takes a larger value.
    private static let fileSizeMax = 4 << 20

    /// The bytes of a file as they are: a `string` (the default) or `bytes`; `-` is standard input.
    static func value(
        ofFile file: String,
        typeName: String?,
        isHex: Bool
    ) throws(CommandFailure) -> (type: DeltaValueType, value: ClientValue) {
        let type = try self.type(typeName ?? "string")
        guard type == .string || type == .bytes, !isHex else {
            throw .usage("--file goes with --type string or bytes, and not with --hex")
        }
        let bytes: [UInt8]
        do {
            bytes = try LocalConfigurationFileSystem().contents(of: file == "-" ? "/dev/stdin" : file, limit: self.fileSizeMax)
        } catch {
            throw CommandFailure(.failed, .failed, "cannot read \(file.quoted): \(error.description)")
        }
        guard bytes.count <= self.fileSizeMax else {
            throw CommandFailure(
                .failed,
                .valueSize,
                "the value in \(file.quoted) has more than \(self.fileSizeMax) bytes, and MaxValueSize is at most that"
            )
        }
        guard type == .bytes || String(validating: bytes, as: UTF8.self) != nil else {
            throw .usage("\(file.quoted) is not UTF-8; use --type bytes")
        }
        return (type, type == .bytes ? .base64(bytes) : ClientValue(text: bytes))
    }

    /// A key group or key: text, or hexadecimal digits.
    static func label(_ text: String, isHex: Bool, _ what: String) throws(CommandFailure) -> DeltaLabel {
        guard isHex else { return DeltaLabel(text) }
        guard let bytes = [UInt8](hex: text) else {
            throw .usage("the \(what) \(text.quoted) is not hexadecimal: two digits a byte are expected, such as 00ff")
        }
        return DeltaLabel(bytes: bytes)
    }

    /// A duration such as `500ms`, `1.5s`, `10m`, `1h`, `2d`, in whole milliseconds.
    static func milliseconds(_ text: String, _ option: String) throws(CommandFailure) -> UInt64 {
        guard let micros = Quantity.duration(text, bareMilliseconds: false).map(Quantity.microseconds) else {
            throw .usage("\(option) \(text.quoted) is not a duration: a number with ms, s, m, h or d is expected, such as 500ms or 10m")
        }
        guard micros > 0, micros.isMultiple(of: 1_000) else {
            throw .usage("\(option) \(text.quoted) is refused: at least 1ms, and whole milliseconds, are expected")
        }
        return UInt64(micros / 1_000)
    }
}

extension String {
    /// The text in quotes, safe and not too long, for a sentence.
    var quoted: String { "\"\(self.shown().elided(to: 80))\"" }
}
