// SPDX-License-Identifier: Apache-2.0
// Values as they are typed, and how commands end.

import ArgumentParser
import GoferBroke
import Testing

@testable import gofer

@Suite("Values on the command line")
struct ValueInputTests {
    private func value(_ text: String, _ type: String?, hex: Bool = false) throws -> ClientValue {
        try ValueInput.value(text, typeName: type, isHex: hex).value
    }

    @Test func eachTypeTakesItsRange() throws {
        #expect(try self.value("text", nil) == .text("text"))
        #expect(try self.value("-128", "int8") == .signed(-128))
        #expect(try self.value("255", "uint8") == .unsigned(255))
        #expect(try self.value("18446744073709551615", "uint64") == .unsigned(.max))
        #expect(try self.value("-9223372036854775808", "int") == .signed(.min))
        #expect(try self.value("1.5e3", "float64") == .number(1_500))
        #expect(try self.value("NaN", "float64") == .text("NaN"))
        #expect(try self.value("true", "bool") == .bool(true))
        #expect(try self.value("00ff", nil, hex: true) == .base64([0, 255]))
        #expect(try ValueInput.value("c3a9", typeName: "string", isHex: true).type == .string)
    }

    @Test(arguments: [
        ("128", "int8"), ("-1", "uint16"), ("1.0", "int"), ("0x10", "int"), ("", "int"), (" 1", "int32"),
        ("18446744073709551616", "uint64"),
        ("1e999", "float64"), ("inf", "float64"), ("0x1p3", "float64"), ("yes", "bool"), ("1", "number"), ("00", "bytes"),
    ]) func whatDoesNotFitIsUsage(text: String, type: String) {
        let failure = #expect(throws: CommandFailure.self) { try self.value(text, type) }
        #expect(failure?.status == .usage)
    }

    @Test func hexadecimalGoesWithBytesAndUTF8() {
        #expect(throws: CommandFailure.self) { try self.value("0g", nil, hex: true) }
        #expect(throws: CommandFailure.self) { try self.value("ff", "string", hex: true) }
        #expect(throws: CommandFailure.self) { try self.value("01", "int", hex: true) }
    }

    @Test func durationsAreWholeMilliseconds() throws {
        #expect(try ValueInput.milliseconds("500ms", "--ttl") == 500)
        #expect(try ValueInput.milliseconds("1.5s", "--ttl") == 1_500)
        #expect(try ValueInput.milliseconds("2h", "--ttl") == 7_200_000)
        let zero = #expect(throws: CommandFailure.self) { try ValueInput.milliseconds("0s", "--ttl") }
        #expect(zero.map { "\($0)".contains("at least 1ms") } == true)
        for text in ["", "5", "s", "0s", "-1s", "1.s", "0.1ms", "1w", "99999999999999999999d", "9223372036854775807d"] {
            #expect(throws: CommandFailure.self) { try ValueInput.milliseconds(text, "--ttl") }
        }
    }

    @Test func negativeValueNeedsNoDashes() throws {
        let fixed = CommandLineFixes.withNegativeValueLast(["set", "g", "k", "-5", "--type", "int"])
        let message = try SetCommand.parse(Array(fixed.dropFirst())).message()
        #expect(message.value == .signed(-5))
        #expect(message.group?.label == "g")
        #expect(CommandLineFixes.withNegativeValueLast(["get", "-5"]) == ["get", "-5"])
        #expect(CommandLineFixes.withNegativeValueLast(["set", "g", "k", "1", "--ttl", "-5"]) == ["set", "g", "k", "1", "--ttl", "-5"])
    }

    @Test func keysCanBeAnyBytes() throws {
        let message = try SetCommand.parse(["613a0a", "ff", "v", "--hex-keys", "--ttl", "1s"]).message()
        #expect(message.group?.label.bytes == [0x61, 0x3a, 0x0a])
        #expect(message.key?.label.bytes == [0xff])
        #expect(message.ttlMilliseconds == 1_000)
    }
}

@Suite("Values from files")
struct FileValueTests {
    @Test func fileIsTakenAsItIs() throws {
        let folder = try TemporaryFolder()
        let text = try folder.file("text", "a\n")
        #expect(try SetCommand.parse(["g", "k", "--file", text]).message().value == .text("a\n"))
        let bytes = try SetCommand.parse(["g", "k", "--file", text, "--type", "bytes"]).message()
        #expect(bytes.value == .base64([0x61, 0x0a]))
        #expect(bytes.type == "bytes")
        for arguments in [
            ["g", "k"], ["g", "k", "v", "--file", text], ["g", "k", "--file", text, "--type", "int"], ["g", "k", "--file", text, "--hex"],
        ] {
            let failure = #expect(throws: CommandFailure.self) { try SetCommand.parse(arguments).message() }
            #expect(failure?.status == .usage)
        }
    }

    @Test func fileOverTheLimitIsRefusedByTheLimit() throws {
        let folder = try TemporaryFolder()
        let large = try folder.file("large", String(repeating: "x", count: 4_194_305))
        let failure = #expect(throws: CommandFailure.self) { try SetCommand.parse(["g", "k", "--file", large]).message() }
        #expect(failure?.failure.code == .valueSize)
        #expect(failure?.failure.message.contains("4194304") == true)
    }
}

@Suite("Exit codes")
struct ExitStatusTests {
    @Test func failuresHaveTheirCodes() {
        #expect(CommandFailure(ClientFailure(.notFound, "")).status.rawValue == 2)
        #expect(CommandFailure(ClientFailure(.unknownNode, "")).status.rawValue == 2)
        #expect(CommandFailure(ClientFailure(.configuration, "")).status.rawValue == 78)
        #expect(CommandFailure(ClientFailure(.badRequest, "")).status.rawValue == 1)
        #expect(CommandFailure(ClientFailure(.noNode, "")).status.rawValue == 69)
        #expect(CommandFailure.usage("").status.rawValue == 64)
        #expect(CommandFailure(GoferBrokeError(code: .replaced, operation: "", reason: "")).status.rawValue == 3)
        #expect(CommandFailure(GoferBrokeError(code: .addressInUse, operation: "", reason: "")).status.rawValue == 1)
    }

    @Test func errorIsASentenceOrJSON() {
        let failure = CommandFailure(.noNode, .noNode, "no\nnode \"x\"")
        #expect(failure.line(isJSON: false) == "gofer: no\\nnode \"x\"")
        #expect(failure.line(isJSON: true) == #"{"error":{"code":"no_node","message":"no\nnode \"x\""}}"#)
        let core = CommandFailure(GoferBrokeError(code: .valueSize, operation: "set a:b", reason: "too large"))
        #expect(core.line(isJSON: true) == #"{"error":{"code":"value_size","message":"set a:b: too large"}}"#)
    }

    @Test func commandLinesEndAsTheyShould() async throws {
        let folder = try TemporaryFolder()
        let good = try folder.file("good.conf", "Name = \"x\"\n")
        let bad = try folder.file("bad.conf", "Cluster { PhiThresold = 3 }\n")
        #expect(await Main.run(["nonsense"]) == .usage)
        #expect(await Main.run(["get", "a"]) == .usage)
        #expect(await Main.run(["set", "g", "k", "300", "--type", "uint8"]) == .usage)
        #expect(await Main.run(["members", "--node", "\(folder.path)/none.sock"]) == .noNode)
        #expect(await Main.run(["config", "check", good]) == .done)
        #expect(await Main.run(["config", "check", bad, "--json"]) == .configuration)
        #expect(await Main.run(["node", "--config", bad]) == .configuration)
        #expect(await Main.run(["--help"]) == .done)
    }

    @Test func checkedFileIsDescribed() throws {
        let folder = try TemporaryFolder()
        let cluster = try folder.file("c.conf", "Name = \"x\"\nSeedServers = [ {Host: \"localhost\", Port: \"8081\"}, ]\n")
        let node = try folder.file("n.conf", "Internal { LogOutput = json, DebugMode = true }\n")
        #expect(try ConfigurationCheck.report(file: cluster, document: nil, environment: [:]).document == "cluster")
        let report = try ConfigurationCheck.report(file: node, document: nil, environment: [:])
        #expect(report.document == "node")
        #expect(report.keys == ["Internal.LogOutput"])
        #expect(report.warnings.count == 1)
        #expect(report.text.contains("a valid node document with 1 key\nwarning: "))
        let failure = #expect(throws: CommandFailure.self) {
            try ConfigurationCheck.report(file: cluster, document: "moon", environment: [:])
        }
        #expect(failure?.status == .usage)
    }
}
