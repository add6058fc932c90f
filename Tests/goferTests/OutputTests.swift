// SPDX-License-Identifier: Apache-2.0
// Tables, safe text, colours, log lines.

import GoferBroke
import Logging
import Testing

@testable import gofer

private func terminal(_ width: Int?, coloured: Bool = false) -> Terminal {
    var environment: [String: String] = [:]
    if let width { environment["COLUMNS"] = "\(width)" }
    return Terminal(environment, isTerminal: coloured, windowWidth: width)
}

@Suite("Tables")
struct TableTests {
    private var table: Table {
        var table = Table(columns: [.flexible("NAME", least: 6), .fixed("STATUS"), .fixed("LINKS", right: true, sacrifice: 1)])
        table.rows = [["web-1.example.org", "alive", "8"], ["db", "dead", "12"]]
        return table
    }

    @Test func columnsStandUnderEachOther() {
        #expect(
            self.table.rendered(for: .plain) == """
                NAME               STATUS  LINKS
                web-1.example.org  alive       8
                db                 dead       12

                """
        )
    }

    @Test func wideCellsAreCutWithAnEllipsis() {
        #expect(
            self.table.rendered(for: terminal(25)) == """
                NAME        STATUS  LINKS
                web-1.exa…  alive       8
                db          dead       12

                """
        )
    }

    @Test func columnsWithoutRoomAreNamed() {
        let lines = self.table.rendered(for: terminal(18)).split(separator: "\n")
        #expect(lines[0] == "NAME        STATUS")
        #expect(lines[1] == "web-1.exa…  alive")
        #expect(lines[3].hasPrefix("(no room for LIN"))
    }

    @Test(arguments: [14, 18, 21, 25, 32, 80]) func noLineIsWiderThanTheTerminal(width: Int) {
        for line in self.table.rendered(for: terminal(width)).split(separator: "\n") {
            #expect(line.description.columns <= width)
        }
    }

    @Test func wideCharactersCountTwice() {
        #expect("日本".columns == 4)
        #expect("e\u{301}".columns == 1)
        #expect("日本語".elided(to: 5) == "日本…")
        #expect("日本語".elided(to: 4) == "日…")
        #expect("abc".elided(to: 0) == "")
        #expect("ab".padded(to: 4, right: true) == "  ab")
    }

    @Test func membersFitAndCount() {
        let members = [
            Member(name: "b", generation: 7, status: .suspect, address: nil, phi: 9.26, links: 1, accuserCount: 2, hasSoleJudge: true),
            Member(name: "a", generation: 1_700_000_000_000, address: nil, links: 3, isSelf: true),
        ]
        let text = MembersText.text(MembersAnswer(cluster: "shop", selfName: "a", members: members), for: .plain)
        let lines = text.split(separator: "\n").map(String.init)
        #expect(lines[1].hasPrefix("a (self)"))
        #expect(lines[2].contains("suspect (2)"))
        #expect(lines[2].contains("9.2"))
        #expect(lines[3] == "2 members (1 alive, 1 suspect) in cluster shop")
        #expect(lines[4].contains("Only one node judges b"))
    }
}

@Suite("Safe text")
struct ShownTextTests {
    @Test func controlCharactersBecomeEscapes() {
        #expect("a\u{1b}[31mb".shown() == "a\\u{1b}[31mb")
        #expect("\u{9b}2J".shown() == "\\u{9b}2J")
        #expect("a\nb\tc\r".shown() == "a\\nb\\tc\\r")
        #expect("a\nb\tc\r".shown(.many) == "a\nb\tc\\r")
        #expect("\u{202e}abc\u{2028}".shown() == "\\u{202e}abc\\u{2028}")
        #expect("grün 日本 👍".shown() == "grün 日本 👍")
    }

    @Test func bytesThatAreNoTextShowAsHexadecimal() {
        #expect([UInt8(0x41), 0xff, 0x0a].shown() == "A\\xff\\x0a")
        #expect([UInt8(0), 0xab, 0xff].hex == "00abff")
        #expect([UInt8](hex: "00 ABff") == [0, 0xab, 0xff])
        #expect([UInt8](hex: "") == [])
        #expect([UInt8](hex: "0") == nil)
        #expect([UInt8](hex: "0g") == nil)
        #expect([UInt8](hex: "１１") == nil)
    }

    @Test func jsonStaysJsonOnOneLine() throws {
        let line = ShownJSON.line(Array("{\"a\":\n\"x\u{7f}\u{9b}\u{202e}\"}".utf8))
        #expect(line == "{\"a\": \"x\\u007f\\u009b\\u202e\"}")
        #expect(try ClientJSON.decode([String: String].self, from: Array(line.utf8)) == ["a": "x\u{7f}\u{9b}\u{202e}"])
    }

    @Test func cellsAndMetadataAreMadeSafe() {
        #expect(Table.Cell("\u{1b}c").text == "\\u{1b}c")
        let line = LogLine.text(time: "T", level: .info, message: "m\u{7}", metadata: ["k": "v\u{1b}[0m", "b": "two words", "a": ""])
        #expect(line == "T info     m\\u{7} a=\"\" b=\"two words\" k=v\\u{1b}[0m")
    }
}

@Suite("Terminal")
struct TerminalTests {
    @Test func coloursOnlyOnATerminalThatWantsThem() {
        #expect(Terminal([:], isTerminal: true, windowWidth: 100).isColoured)
        #expect(!Terminal([:], isTerminal: false, windowWidth: nil).isColoured)
        #expect(!Terminal(["NO_COLOR": "1"], isTerminal: true, windowWidth: 100).isColoured)
        #expect(Terminal(["NO_COLOR": ""], isTerminal: true, windowWidth: 100).isColoured)
        #expect(!Terminal(["TERM": "dumb"], isTerminal: true, windowWidth: 100).isColoured)
        #expect(Terminal.plain.styled("x", .bad) == "x")
        #expect(terminal(80, coloured: true).styled("x", .bad) == "\u{1b}[31mx\u{1b}[0m")
    }

    @Test func widthIsColumnsThenTheWindowsThenUnlimited() {
        #expect(Terminal(["COLUMNS": "44"], isTerminal: true, windowWidth: 100).width == 44)
        #expect(Terminal(["COLUMNS": "x"], isTerminal: true, windowWidth: 100).width == 100)
        #expect(Terminal([:], isTerminal: true, windowWidth: nil).width == 80)
        #expect(Terminal([:], isTerminal: false, windowWidth: nil).width == nil)
    }
}

@Suite("Log")
struct LogTests {
    private final class Lines: Sendable {
        let lines = Mutex<[String]>([])
    }

    @Test func levelChangesForLoggersThatAreThereAlready() {
        let lines = Lines()
        let sink = LogSink(format: .text, level: .info) { line in lines.lines.withLock { $0.append(line) } }
        var logger = sink.logger(label: "x")
        logger[metadataKey: "node"] = "a"
        logger.debug("hidden")
        sink.level = .debug
        logger.debug("shown", metadata: ["k": "1"])
        let written = lines.lines.withLock { $0 }
        #expect(written.count == 1)
        #expect(written.first?.hasSuffix("debug    shown k=1 node=a\n") == true)
    }

    @Test func jsonLineIsOneObject() throws {
        let line = LogLine.json(time: "T", level: .warning, message: "m", metadata: ["k": "a\nb"])
        #expect(line == #"{"k":"a\nb","level":"warning","message":"m","time":"T"}"#)
    }
}

@Suite("Facts")
struct InfoTextTests {
    @Test func durationsAndSizesAreShort() {
        #expect(InfoText.duration(0) == "0ms")
        #expect(InfoText.duration(61_500) == "1m 1s")
        #expect(InfoText.duration(90_000_000) == "1d 1h")
        #expect(InfoText.size(1_023) == "1023 bytes")
        #expect(InfoText.size(1_536) == "1.5 KiB")
        #expect(InfoText.size(.max) == "15.9 EiB")
    }
}
