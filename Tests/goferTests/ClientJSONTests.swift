// SPDX-License-Identifier: Apache-2.0
// The JSON of the client protocol: names, shapes, errors.

import GoferBroke
import GoferBrokeConfiguration
import Testing

@testable import gofer

@Suite("JSON")
struct ClientJSONTests {
    private func json(_ message: some Encodable) throws -> String {
        String(decoding: try ClientJSON.encode(message), as: UTF8.self)
    }

    private func delta(_ type: DeltaValueType, _ bytes: [UInt8], key: DeltaLabel = "k") -> Delta {
        Delta(participant: "n", generation: 5, group: "g", key: key, version: 3, type: type, bytes: bytes)
    }

    @Test func deltaHasItsFields() throws {
        #expect(
            try self.json(DeltaAnswer(self.delta(.string, Array("v/1".utf8))))
                == #"{"generation":5,"group":"g","key":"k","node":"n","type":"string","value":"v/1","version":3}"#
        )
        let binary = try self.json(DeltaAnswer(self.delta(.bytes, [0, 255], key: DeltaLabel(bytes: [0xff]))))
        #expect(binary.contains(#""key":{"base64":"/w=="}"#))
        #expect(binary.contains(#""value":{"base64":"AP8="}"#))
    }

    @Test func numbersAreExact() throws {
        let all = [UInt8](repeating: 0xff, count: 8)
        let least: [UInt8] = [0x80, 0, 0, 0, 0, 0, 0, 0]
        #expect(try self.json(ClientValue(type: .uint64, bytes: all)) == "18446744073709551615")
        #expect(try self.json(ClientValue(type: .int64, bytes: least)) == "-9223372036854775808")
        #expect(try self.json(ClientValue(type: .float64, bytes: Double.infinity.deltaBytes())) == #""Infinity""#)
        #expect(try self.json(ClientValue(type: .bool, bytes: [1])) == "true")
        // No value of its type, and a type of a later version: the bytes as they are.
        #expect(try self.json(ClientValue(type: .int8, bytes: [1, 2])) == #"{"base64":"AQI="}"#)
        #expect(try self.json(ClientValue(type: DeltaValueType(rawValue: 200), bytes: [1])) == #"{"base64":"AQ=="}"#)
    }

    @Test func everyTypeSurvivesTheWayThroughJSON() throws {
        let samples: [(DeltaValueType, [UInt8])] = [
            (.string, Array("\"\\\u{0}\u{7f}é".utf8)), (.string, []), (.bytes, []), (.bytes, Array(0...255)),
            (.int, Int(-1).deltaBytes()), (.int8, Int8.min.deltaBytes()), (.int16, Int16.max.deltaBytes()),
            (.int32, Int32.min.deltaBytes()), (.int64, Int64.max.deltaBytes()), (.int64, Int64.min.deltaBytes()),
            (.uint8, UInt8.max.deltaBytes()), (.uint16, UInt16.max.deltaBytes()), (.uint32, UInt32.max.deltaBytes()),
            (.uint64, UInt64.max.deltaBytes()), (.float64, (0.1).deltaBytes()), (.float64, (5.0).deltaBytes()),
            (.float64, (-0.0).deltaBytes()), (.float64, Double.greatestFiniteMagnitude.deltaBytes()),
            (.float64, Double.leastNonzeroMagnitude.deltaBytes()), (.float64, (-Double.infinity).deltaBytes()),
            (.bool, [0]), (.bool, [1]),
        ]
        for (type, bytes) in samples {
            let text = try ClientJSON.encode(ClientValue(type: type, bytes: bytes))
            let back = try ClientJSON.decode(ClientValue.self, from: text)
            #expect(try back.bytes(of: type) == bytes, "\(type) \(bytes)")
        }
    }

    @Test func textThatGrowsTooMuchTravelsAsBase64() throws {
        let zeros = [UInt8](repeating: 0, count: 2 << 20)
        let value = ClientValue(type: .string, bytes: zeros)
        #expect(value == .base64(zeros))
        #expect(try value.bytes(of: .string) == zeros)
        #expect(try ClientJSON.encode(value).count < 8 << 20)
    }

    @Test func valueOfAnotherTypeIsRefused() {
        for (value, type) in [
            (ClientValue.text("1"), DeltaValueType.int), (.signed(128), .int8), (.signed(-1), .uint64), (.number(1.5), .int64),
            (.text("x"), .bytes), (.signed(1), .bool), (.bool(true), .string), (.base64([0xff]), .string), (.text("inf"), .float64),
        ] {
            let failure = #expect(throws: ClientFailure.self) { try value.bytes(of: type) }
            #expect(failure?.code == .wrongType)
        }
    }

    @Test func membersHaveTheirFields() throws {
        let member = Member(name: "b", generation: 2, incarnation: 1, address: Endpoint(host: "::1", port: 9), phi: 0.1234567, links: 1)
        let own = Member(name: "a", generation: 1, links: 1, isSelf: true)
        let text = try self.json(MembersAnswer(cluster: "c", selfName: "a", members: [member, own]))
        #expect(
            text == #"{"cluster":"c","members":["#
                + #"{"accusers":0,"address":null,"detector":true,"generation":1,"incarnation":0,"links":1,"name":"a","#
                + #""phi":null,"sole_judge":false,"status":"alive"},"#
                + #"{"accusers":0,"address":"[::1]:9","detector":true,"generation":2,"incarnation":1,"links":1,"name":"b","#
                + #""phi":0.123,"sole_judge":false,"status":"alive"}],"self":"a"}"#
        )
        #expect(try ClientJSON.decode(MembersAnswer.self, from: Array(text.utf8)).members.map(\.name) == ["a", "b"])
    }

    @Test func streamElementsBeginWithTheEvent() throws {
        let set = ClientItem(DeltaChange(participant: "n", generation: 5, group: "g", key: "k", delta: self.delta(.bool, [1])))
        #expect(String(decoding: try set.payload(), as: UTF8.self).hasPrefix(#"{"event":"set","generation":5,"#))
        let deleted = ClientItem(DeltaChange(participant: "n", generation: 5, group: "g", key: "k", delta: nil))
        #expect(
            String(decoding: try deleted.payload(), as: UTF8.self)
                == #"{"event":"deleted","generation":5,"group":"g","key":"k","node":"n"}"#
        )
        let lagged = ClientItem(.lagged(7), cluster: "c", selfName: "a", at: ClientTime(milliseconds: 0))
        #expect(String(decoding: try lagged.payload(), as: UTF8.self) == #"{"event":"lagged","count":7,"time":"1970-01-01T00:00:00.000Z"}"#)
    }

    @Test func timesAreRFC3339() {
        #expect(ClientTime(milliseconds: 951_827_696_789).description == "2000-02-29T12:34:56.789Z")
        #expect(ClientTime(milliseconds: 4_102_444_799_999).description == "2099-12-31T23:59:59.999Z")
        #expect(ClientTime(milliseconds: -1).description == "1969-12-31T23:59:59.999Z")
    }

    @Test func requestsSurviveTheWayThroughJSON() throws {
        let request = ClientRequestMessage(
            .set,
            group: "g",
            key: DeltaLabel(bytes: [0xfe]),
            type: .int8,
            value: .signed(1),
            ttlMilliseconds: 9
        )
        let bytes = try ClientJSON.encode(request)
        #expect(
            String(decoding: bytes, as: UTF8.self)
                == #"{"group":"g","key":{"base64":"/g=="},"ttl_ms":9,"type":"int8","value":1,"verb":"set"}"#
        )
        #expect(try ClientJSON.decode(ClientRequestMessage.self, from: bytes) == request)
    }

    @Test(arguments: [
        ("", "JSON"), ("[]", "object"), ("{}", "\"verb\""), (#"{"verb":"fly"}"#, "unknown verb"), (#"{"verb":1}"#, "\"verb\""),
        (#"{"verb":"members","x":1}"#, "unknown field \"x\""), (#"{"verb":"get","group":"g"}"#, "\"key\""),
        (#"{"verb":"get","group":"g","key":1}"#, "\"key\""), (#"{"verb":"get","group":"g","key":{"base64":"?"}}"#, "base64"),
        (#"{"verb":"set","group":"g","key":"k","value":[1]}"#, "\"value\""), (#"{"verb":"watch","key":"k"}"#, "group"),
        (#"{"verb":"set","group":"g","key":"k","value":1,"ttl_ms":-1}"#, "ttl_ms"), (#"{"verb":"explain"}"#, "\"node\""),
        (#"{"verb":"get","group":"g","key":"k"}trailing"#, "JSON"),
    ]) func wrongRequestIsRefusedByName(text: String, word: String) {
        let failure = #expect(throws: ClientFailure.self) {
            try ClientJSON.decode(ClientRequestMessage.self, from: Array(text.utf8))
        }
        #expect(failure?.message.contains(word) == true, "\(failure?.message ?? "")")
    }

    /// What becomes of an answer to `get`.
    private func failure(of text: String) -> CommandFailure? {
        do {
            let _: DeltaAnswer = try NodeSession.decode(Array(text.utf8))
            return nil
        } catch {
            return error
        }
    }

    @Test func refusalOfTheNodeIsAFailure() {
        #expect(self.failure(of: #"{"error":{"code":"not_found","message":"no key"}}"#)?.status == .notFound)
        #expect(self.failure(of: "{}")?.failure.code == .badAnswer)
        #expect(self.failure(of: "\u{1b}")?.failure.code == .badAnswer)
    }
}
