// SPDX-License-Identifier: Apache-2.0

import Foundation
import GoferBroke
import Testing

/// Tests/Vectors holds bytes that C and Swift must agree on. The C tests read the same files.
@Suite struct VectorTests {
    private static func lines(of file: String) throws -> [[String]] {
        let url = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(path: "Vectors/\(file)")
        return try String(contentsOf: url, encoding: .utf8).split(separator: "\n").filter { !$0.hasPrefix("#") }
            .map { $0.split(separator: " ").map(String.init) }
    }

    private static func bytes(ofHex hex: String) throws -> [UInt8] {
        let digits = Array(hex)
        try #require(digits.count.isMultiple(of: 2))
        return try stride(from: 0, to: digits.count, by: 2).map { try #require(UInt8(String(digits[$0..<$0 + 2]), radix: 16)) }
    }

    /// CRC-32C (Castagnoli), reflected, bit by bit, straight from its polynomial: nothing shared with the core.
    private static func crc32c(_ bytes: [UInt8]) -> UInt32 {
        var crc = ~UInt32(0)
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 {
                crc = crc & 1 == 1 ? (crc >> 1) ^ 0x82F6_3B78 : crc >> 1
            }
        }
        return ~crc
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        bytes.reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// The header as docs/WIRE.md gives it, read without the core.
    @Test func framesHaveTheHeaderOfTheDocument() throws {
        let frames = try Self.lines(of: "frames.txt")
        #expect(frames.count >= 24)
        for frame in frames {
            let bytes = try Self.bytes(ofHex: try #require(frame.last))
            try #require(bytes.count >= 16, "\(frame[0])")
            #expect(Self.number(bytes[0..<2]) == 0x4742, "\(frame[0]): magic")
            #expect(bytes[2] == 1, "\(frame[0]): version")
            #expect((1...21).contains(bytes[3]) || (64...67).contains(bytes[3]), "\(frame[0]): type")
            #expect(bytes[4] & 0xFE == 0, "\(frame[0]): flags")
            #expect(Int(Self.number(bytes[5..<8])) == bytes.count - 16, "\(frame[0]): payload size")
            #expect(Self.number(bytes[12..<16]) == Self.crc32c(Array(bytes[0..<12] + bytes[16...])), "\(frame[0]): checksum")
        }
    }

    @Test func valuesAreEncodedAsTheVectorsSay() throws {
        let values = try Self.lines(of: "values.txt")
        #expect(values.count == 13)
        for line in values {
            let text = line[2]
            let bytes = try Self.bytes(ofHex: line[3])
            switch line[1] {
            case "string": try Self.expect(String(decoding: try Self.bytes(ofHex: text), as: UTF8.self), bytes, line)
            case "bytes": try Self.expect(try Self.bytes(ofHex: text), bytes, line)
            case "int": try Self.expect(try #require(Int(text)), bytes, line)
            case "int8": try Self.expect(try #require(Int8(text)), bytes, line)
            case "int16": try Self.expect(try #require(Int16(text)), bytes, line)
            case "int32": try Self.expect(try #require(Int32(text)), bytes, line)
            case "int64": try Self.expect(try #require(Int64(text)), bytes, line)
            case "uint8": try Self.expect(try #require(UInt8(text)), bytes, line)
            case "uint16": try Self.expect(try #require(UInt16(text)), bytes, line)
            case "uint32": try Self.expect(try #require(UInt32(text)), bytes, line)
            case "uint64": try Self.expect(try #require(UInt64(text)), bytes, line)
            case "float64": try Self.expect(try #require(Double(text)), bytes, line)
            case "bool": try Self.expect(try #require(Bool(text) as Bool?), bytes, line)
            default: Issue.record("a type that nobody knows: \(line[1])")
            }
        }
    }

    private static func expect<Value: DeltaValue & Equatable>(_ value: Value, _ bytes: [UInt8], _ line: [String]) throws {
        #expect(String(Value.deltaValueType.rawValue) == line[0], "\(line[1])")
        #expect(try value.deltaBytes() == bytes, "\(line[1])")
        #expect(Value(deltaBytes: bytes) == value, "\(line[1])")
    }
}
