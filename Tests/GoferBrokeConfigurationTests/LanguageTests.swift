// SPDX-License-Identifier: Apache-2.0
// The grammar: what parses, into what, and where errors point.

import GoferBrokeConfiguration
import Testing

@Suite struct LanguageTests {
    private func parse(
        _ text: String,
        file: String = "test.conf",
        environment: [String: String] = [:],
        files: [String: String] = [:]
    ) throws -> ConfigurationDocument {
        try ConfigurationDocument.parse(text.utf8, file: file, environment: environment, fileSystem: TestFiles(files))
    }

    @Test func allWaysToAssignAreTheSame() throws {
        for text in ["A { B = 1 }", "A: { B: 1 }", "A = { B = 1, }", "A {\n  B = 1\n}", "A.B = 1", "\"A\" { 'B' : 1 }"] {
            #expect(try parse(text).value(at: "A.B")?.text == "1", "\(text)")
        }
    }

    @Test func commentsBlankLinesAndLineEndsMeanNothing() throws {
        let document = try parse("# one\r\n\r\n  // two\r\nA = 1 # three\r\nB = 2//x\nC = 3 // four\n#last")
        #expect(document.value(at: "A")?.text == "1")
        #expect(document.value(at: "B")?.text == "2//x")
        #expect(document.value(at: "C")?.text == "3")
    }

    @Test func slashesWithinAWordAreNoComment() throws {
        let document = try parse("Path = /var//lib\nURL = http://host/x#comment")
        #expect(document.value(at: "Path")?.text == "/var//lib")
        #expect(document.value(at: "URL")?.text == "http://host/x")
    }

    @Test func bareWordsMayHoldColons() throws {
        #expect(try parse("Seed = localhost:8081").value(at: "Seed")?.text == "localhost:8081")
        #expect(try parse("A=[::1,b:2]").value(at: "A.0")?.text == "::1")
        #expect(try parse("A: {Host:localhost,Port:8081}").value(at: "A.Host")?.text == "localhost")
    }

    @Test func stringsResolveEscapes() throws {
        let document = try parse(#"A = "\n\t\r\"\'\\\u{e9}é" "# + "\nB = 'it\\'s'")
        #expect(document.value(at: "A")?.text == "\n\t\r\"'\\éé")
        #expect(document.value(at: "B")?.text == "it's")
    }

    @Test func arraysHoldMapsAndTrailingCommas() throws {
        let document = try parse("S = [\n {Host: \"a\", Port: \"1\"},\n\n {Host: b, Port: 2,},\n]\nE = []\nN = [1, 2\n3\n, 4]")
        #expect(document.value(at: "S.0.Host")?.text == "a")
        #expect(document.value(at: "S.1.Port")?.text == "2")
        #expect(document.value(at: "S.2") == nil)
        #expect(document.value(at: "E.0") == nil)
        #expect(document.value(at: "N.3")?.text == "4")
    }

    @Test func positionsPointAtValues() throws {
        let document = try parse("A = 1\nB {\n  é = [x,\n    y]\n}")
        #expect(document.value(at: "A")?.position == SourcePosition(file: "test.conf", line: 1, column: 5))
        #expect(document.value(at: "B.é.0")?.position == SourcePosition(file: "test.conf", line: 3, column: 8))
        #expect(document.value(at: "B.é.1")?.position == SourcePosition(file: "test.conf", line: 4, column: 5))
    }

    @Test func aByteOrderMarkIsSkipped() throws {
        #expect(try parse("\u{FEFF}A = 1").value(at: "A")?.text == "1")
    }

    @Test func variablesComeFromTheGivenEnvironmentAlone() throws {
        let document = try parse("A = $PORT\nB = ${HOST}\nC = \"$PORT\"\nD = [$PORT,]", environment: ["PORT": "8081", "HOST": "h"])
        #expect(document.value(at: "A")?.text == "8081")
        #expect(document.value(at: "B")?.text == "h")
        #expect(document.value(at: "C")?.text == "$PORT")
        #expect(document.value(at: "D.0")?.text == "8081")
        #expect(
            parseError("A = $PATH")?.description
                == "test.conf:1:5: expected the environment variable PATH to be set, found no such variable"
        )
    }

    @Test func includesAreRelativeToTheIncludingFile() throws {
        let files = [
            "/etc/gb/parts/detector.conf": "Cluster { PhiThreshold = 9 }\ninclude \"../more.conf\"",
            "/etc/gb/parts/../more.conf": "Name = \"x\"",
        ]
        let document = try parse(
            "Cluster { EagerPush = off }\ninclude \"parts/detector.conf\"\n",
            file: "/etc/gb/cluster.conf",
            files: files
        )
        #expect(document.value(at: "Cluster.PhiThreshold")?.text == "9")
        #expect(document.value(at: "Cluster.EagerPush")?.text == "off")
        #expect(document.value(at: "Name")?.position.file == "/etc/gb/parts/../more.conf")
    }

    @Test func anIncludeInABlockFillsTheBlock() throws {
        let document = try parse("Cluster {\n  include 'phi.conf'\n}", files: ["phi.conf": "PhiThreshold = 9"])
        #expect(document.value(at: "Cluster.PhiThreshold")?.text == "9")
    }

    @Test func aKeyCalledIncludeIsStillAKey() throws {
        #expect(try parse("include = 1").value(at: "include")?.text == "1")
    }

    @Test func blocksOfOneNameAreOneBlock() throws {
        let document = try parse("A { B = 1 }\nA { C = 2 }")
        #expect(document.value(at: "A.B")?.text == "1")
        #expect(document.value(at: "A.C")?.text == "2")
    }

    @Test func aSecondValueNamesBothPlaces() {
        #expect(
            parseError("A { B = 1 }\n\nA { B = 2 }")?.description
                == "test.conf:3:5: expected each key once, found \"B\" again (key A.B); it was first given at test.conf:1:5"
        )
        #expect(parseError("A = 1\nA { }")?.code == .duplicateKey)
        #expect(parseError("A.B = 1\nA.B = 1")?.code == .duplicateKey)
    }

    @Test func duplicatesAcrossIncludesNameBothFiles() {
        let error = parseError("Name = a\ninclude \"b.conf\"", files: ["b.conf": "\nName = b"])
        #expect(error?.place == "b.conf:2:1")
        #expect(error?.hint == "it was first given at test.conf:1:1")
    }

    @Test(arguments: [
        ("A = ", "test.conf:1:5: expected a value, found the end of the file"),
        ("A = \nB = 1", "test.conf:1:5: expected a value, found the end of the line"),
        ("A", "test.conf:1:2: expected \"=\", \":\" or \"{\" after \"A\", found the end of the file"),
        ("= 1", "test.conf:1:1: expected a key, found \"=\""),
        ("A {", "test.conf:1:4: expected a key or \"}\", found the end of the file"),
        (
            "A { B = 1",
            "test.conf:1:10: expected the end of the line, \",\" or \"}\" after the value, found the end of the file; quote strings that contain blanks"
        ),
        ("}", "test.conf:1:1: expected a key, found \"}\""),
        ("A = [1, 2", "test.conf:1:10: expected \",\" or \"]\" after an element, found the end of the file"),
        ("A = [1 2]", "test.conf:1:8: expected \",\" or \"]\" after an element, found \"2\""),
        ("A = [,]", "test.conf:1:6: expected a value, found \",\""),
        (
            "A = my cluster",
            "test.conf:1:8: expected the end of the line, \",\" after the value, found \"cluster\"; quote strings that contain blanks"
        ),
        ("A = \"x", "test.conf:1:5: expected a closing \" on the same line, found the end of the file"),
        ("A = 'x\n'", "test.conf:1:5: expected a closing ' on the same line, found the end of the line"),
        ("A = \"\\x\"", "test.conf:1:6: expected one of the escapes \\n \\t \\r \\\" \\' \\\\ \\u{…}, found \"\\\\x\""),
        ("A = \"\\u{110000}\"", "test.conf:1:6: expected a Unicode character such as \\u{e9}, found \"\\\\u{110000\""),
        ("A = \"\\u{d800}\"", "test.conf:1:6: expected a Unicode character such as \\u{e9}, found \"\\\\u{d800\""),
        ("A = $", "test.conf:1:5: expected the name of an environment variable such as $PORT, found \"$\"; quote strings that contain $"),
        (
            "A = $1x",
            "test.conf:1:5: expected the name of an environment variable such as $PORT, found \"$1\"; quote strings that contain $"
        ),
        (
            "A = ${B",
            "test.conf:1:5: expected the name of an environment variable such as $PORT, found \"$B\"; quote strings that contain $"
        ),
        ("A..B = 1", "test.conf:1:1: expected names between the dots of a key, found \"A..B\""),
        ("A = \u{0}", "test.conf:1:5: expected text without control characters, found U+0"),
        ("A = \"\u{1B}[2J\"", "test.conf:1:6: expected text without control characters, found U+1B"),
    ])
    func errorsNamePlaceExpectedAndFound(text: String, description: String) {
        #expect(parseError(text)?.description == description)
    }

    @Test func bytesThatAreNotTextAreRefusedWithTheirPlace() {
        let error = configurationError { () throws(ConfigurationError) in
            try ConfigurationDocument.parse(Array("A = 1\nB = ".utf8) + [0xC3, 0x28], file: "test.conf")
        }
        #expect(error?.description == "test.conf:2:5: expected UTF-8 text, found bytes that are not UTF-8")
    }

    @Test func aCircleOfIncludesNamesTheChain() {
        let files = ["/c/a.conf": "include \"./b.conf\"", "/c/b.conf": "include \"../c/a.conf\""]
        #expect(
            parseError("include \"b.conf\"", file: "/c/a.conf", files: files)?.description
                == "/c/b.conf:1:9: expected includes without a circle, found \"../c/a.conf\"; the chain is /c/a.conf -> /c/b.conf -> /c/../c/a.conf"
        )
    }

    @Test func aMissingIncludeNamesTheChain() {
        #expect(
            parseError("\n  include \"gone.conf\"")?.description
                == "test.conf:2:11: expected a file that can be read at \"gone.conf\", found No such file or directory; the chain is test.conf -> gone.conf"
        )
    }
}

@Suite struct LanguageLimitTests {
    @Test func nestingIsBounded() {
        let deepest = String(repeating: "A {", count: 16) + String(repeating: "}", count: 16)
        #expect(throws: Never.self) { try ConfigurationDocument.parse(deepest.utf8) }
        #expect(parseError("A {" + deepest + "}")?.description == "test.conf:1:51: expected at most 16 levels of { and [, found one more")
        #expect(parseError("A = " + String(repeating: "[", count: 100_000))?.code == .limit)
        #expect(parseError(String(repeating: "A.", count: 20) + "A = 1")?.code == .limit)
    }

    @Test func nestingCountsThroughIncludes() {
        let files = Dictionary(uniqueKeysWithValues: (0..<9).map { ("\($0)", "A { B { C { include \"\($0 + 1)\"\n } } }") })
        #expect(parseError("include \"0\"", files: files)?.code == .limit)
    }

    @Test func stringsKeysAndDocumentsAreBounded() {
        let long = String(repeating: "x", count: 4_096)
        #expect(throws: Never.self) { try ConfigurationDocument.parse("A = \(long)\nB = \"\(long)\"".utf8) }
        #expect(parseError("A = \(long)x")?.description == "test.conf:1:5: expected a value of at most 4096 bytes, found a longer one")
        #expect(parseError("A = \"\(long)é\"")?.description == "test.conf:1:5: expected a string of at most 4096 bytes, found a longer one")
        #expect(
            parseError(String(long.prefix(256)) + " = 1")?.description
                == "test.conf:1:1: expected a key of at most 255 bytes, found a longer one"
        )
        #expect(parseError("A = $E", environment: ["E": long + "x"])?.code == .limit)
        var limits = ConfigurationLimits.standard
        limits.documentSize = 8
        #expect(throws: Never.self) { try ConfigurationDocument.parse("A = 1234".utf8, limits: limits) }
        #expect(parseError("A = 12345", limits: limits)?.description == "test.conf: expected a file of at most 8 bytes, found a larger one")
        limits.documentSize = 12
        #expect(parseError("include \"x\"", files: ["x": "A = 123456789"], limits: limits)?.place == "x")
    }

    @Test func includeDepthAndCountAreBounded() {
        let chain = Dictionary(uniqueKeysWithValues: (0..<20).map { ("\($0)", "include \"\($0 + 1)\"") })
        let deep = parseError("include \"0\"", files: chain)
        #expect(deep?.code == .limit)
        #expect(deep?.hint == "the chain is test.conf -> 0 -> 1 -> 2 -> 3 -> 4 -> 5 -> 6 -> 7 -> 8")
        // Each level includes the next twice: without a bound on the sum this would be 2^8 files.
        let twice = Dictionary(
            uniqueKeysWithValues: (0..<8).map { ("\($0)", $0 == 7 ? "" : "include \"\($0 + 1)\"\ninclude \"\($0 + 1)\"") }
        )
        #expect(parseError("include \"0\"", files: twice)?.expected == "at most 64 includes in all")
    }

    @Test func nodesAndTheSumOfFilesAreBounded() {
        var limits = ConfigurationLimits.standard
        limits.nodeCount = 3
        #expect(parseError("A = [1, 2, 3]", limits: limits)?.expected == "at most 3 keys and elements")
        limits = .standard
        limits.totalSize = 20
        #expect(
            parseError("include \"x\"", files: ["x": "A = 1234567890"], limits: limits)?.description
                == "x: expected at most 20 bytes with all included files, found more"
        )
    }

    @Test(.timeLimit(.minutes(1))) func manySmallBlocksOfOneNameDoNotCopyEachOther() throws {
        let count = 15_000
        let text = (0..<count).map { "A.B\($0) = 1" }.joined(separator: "\n")
        let document = try ConfigurationDocument.parse(text.utf8)
        #expect(document.value(at: "A.B\(count - 1)")?.text == "1")
    }
}
