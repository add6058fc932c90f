// SPDX-License-Identifier: Apache-2.0

import GoferBroke
import Testing

@Suite struct DeltaValueTests {
    enum Mode: String, DeltaValue { case open, closed }
    enum Level: UInt8, DeltaValue { case low = 1, high = 200 }
    struct Limits: CodableDeltaValue, Hashable {
        var connections: Int
        var hosts: [String]
    }

    private func roundTrip<Value: DeltaValue & Equatable>(_ values: [Value], _ type: DeltaValueType) throws {
        #expect(Value.deltaValueType == type)
        for value in values {
            #expect(Value(deltaBytes: try value.deltaBytes()) == value)
        }
    }

    @Test func everyWireTypeRoundTrips() throws {
        try self.roundTrip(["", "a", "grün\n:\0"], .string)
        try self.roundTrip([[], [0, 255, 10]] as [[UInt8]], .bytes)
        try self.roundTrip([Int.min, -1, 0, 1, .max], .int)
        try self.roundTrip([Int8.min, -1, 0, .max], .int8)
        try self.roundTrip([Int16.min, -1, 0, .max], .int16)
        try self.roundTrip([Int32.min, -1, 0, .max], .int32)
        try self.roundTrip([Int64.min, -1, 0, .max], .int64)
        try self.roundTrip([UInt8.min, 1, .max], .uint8)
        try self.roundTrip([UInt16.min, 1, .max], .uint16)
        try self.roundTrip([UInt32.min, 1, .max], .uint32)
        try self.roundTrip([UInt64.min, 1, .max], .uint64)
        try self.roundTrip([UInt.min, 1, .max], .uint64)
        try self.roundTrip([0, -0.5, .infinity, .leastNonzeroMagnitude, 1e308], .float64)
        try self.roundTrip([true, false], .bool)
    }

    @Test func numbersAreBigEndianOnTheWire() throws {
        #expect(1.deltaBytes() == [0, 0, 0, 0, 0, 0, 0, 1])
        #expect(Int16(-2).deltaBytes() == [0xff, 0xfe])
        #expect(UInt32(0x0102_0304).deltaBytes() == [1, 2, 3, 4])
        #expect(1.5.deltaBytes() == [0x3f, 0xf8, 0, 0, 0, 0, 0, 0])
        #expect(true.deltaBytes() == [1])
    }

    @Test func notANumberKeepsItsBits() {
        let bits: UInt64 = 0x7ff8_0000_0000_1234
        #expect(Double(deltaBytes: Double(bitPattern: bits).deltaBytes())?.bitPattern == bits)
    }

    @Test func bytesOfAnotherSizeAreNoValue() {
        #expect(Int(deltaBytes: []) == nil)
        #expect(Int8(deltaBytes: [1, 2]) == nil)
        #expect(UInt64(deltaBytes: [1, 2, 3]) == nil)
        #expect(Double(deltaBytes: [0]) == nil)
        #expect(Bool(deltaBytes: [2]) == nil)
        #expect(Bool(deltaBytes: []) == nil)
        #expect(String(deltaBytes: [0xff]) == nil)
    }

    @Test func rawValuesTravelAsTheirRawType() throws {
        try self.roundTrip([Mode.open, .closed], .string)
        try self.roundTrip([Level.low, .high], .uint8)
        #expect(try Level.high.deltaBytes() == [200])
        #expect(Level(deltaBytes: [7]) == nil)
        #expect(Mode(deltaBytes: Array("ajar".utf8)) == nil)
    }

    @Test func codableValuesTravelAsSortedJSON() throws {
        let limits = Limits(connections: 7, hosts: ["a", "b"])
        try self.roundTrip([limits], .string)
        #expect(String(deltaBytes: try limits.deltaBytes()) == #"{"connections":7,"hosts":["a","b"]}"#)
        #expect(Limits(deltaBytes: Array("{}".utf8)) == nil)
        try self.roundTrip([Coded(["b": 2, "a": 1])], .string)
        #expect(String(deltaBytes: try Coded(["b": 2, "a": 1]).deltaBytes()) == #"{"a":1,"b":2}"#)
    }

    @Test func aValueThatCanNotBeEncodedIsAnError() {
        #expect {
            _ = try Coded(Double.nan).deltaBytes()
        } throws: {
            ($0 as? GoferBrokeError)?.code == .encoding
        }
    }

    @Test func wireTypesHaveNames() {
        #expect(DeltaValueType.all.count == 13)
        for type in DeltaValueType.all {
            #expect(DeltaValueType(name: type.description) == type)
        }
        #expect(DeltaValueType(name: "float32") == nil)
        #expect(DeltaValueType(rawValue: 99).description == "type-99")
    }

    @Test func labelsAreToldApartByBytes() {
        #expect(DeltaLabel("e\u{301}") != DeltaLabel("\u{e9}"))
        #expect(DeltaLabel(bytes: [0xff, 0x01]).string == nil)
        #expect(DeltaLabel(bytes: [0xff, 0x01]).description == "0xff01")
        #expect(DeltaLabel("a:b\n").string == "a:b\n")
    }

    @Test func aDeltaOfAnotherTypeHasNoValue() {
        let delta = Delta(participant: "a", generation: 1, group: "g", key: "k", version: 1, type: .int64, bytes: Int64(5).deltaBytes())
        #expect(delta.value(as: Int64.self) == 5)
        #expect(delta.value(as: Int.self) == nil)
    }
}
