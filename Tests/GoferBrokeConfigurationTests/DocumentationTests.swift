// SPDX-License-Identifier: Apache-2.0
// Holds docs/CONFIGURATION.md to the table of keys, both ways.

import GoferBrokeConfiguration
import Testing

@Suite struct DocumentationTests {
    /// The page, from where this file stands: Tests/GoferBrokeConfigurationTests/ beside docs/.
    private func pageLines() throws -> [String] {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let bytes = try LocalConfigurationFileSystem().contents(of: "/\(root)/docs/CONFIGURATION.md", limit: 1 << 20)
        return try #require(String(validating: bytes, as: UTF8.self)).split(separator: "\n").map(String.init)
    }

    private func rows(of document: ConfigurationDocumentKind, meaningless: Bool) -> [String] {
        ConfigurationKeys.keys(of: document).filter { $0.isMeaningless == meaningless }.map { key in
            if meaningless { return "| `\(key.path)` | \(key.meaning) |" }
            let value = key.defaultText.isEmpty ? (key.type.name.hasPrefix("list") ? "`[]`" : "`\"\"`") : "`\(key.defaultText)`"
            let bare = if case .duration(_, true) = key.type { ", or milliseconds" } else { "" }
            let change = key.change == .live ? "yes" : "no"
            return
                "| `\(key.path)` | \(key.type.name)\(bare) | \(value) | \(key.type.range) | \(change) | \(key.meaning) | `\(key.environmentName)` |"
        }
    }

    @Test func thePageHasEveryKeyAndNoOther() throws {
        let lines = try pageLines()
        for document in ConfigurationDocumentKind.allCases {
            let begin = try #require(lines.firstIndex(of: "<!-- keys: \(document.rawValue) -->"))
            let end = try #require(lines.firstIndex(of: "<!-- end: \(document.rawValue) -->"))
            let documented = lines[begin..<end].filter { $0.hasPrefix("| `") }
            let expected = rows(of: document, meaningless: false) + rows(of: document, meaningless: true)
            for row in expected where !documented.contains(row) {
                Issue.record("docs/CONFIGURATION.md lacks the row: \(row)")
            }
            for row in documented where !expected.contains(row) {
                Issue.record("docs/CONFIGURATION.md has a row that no key has: \(row)")
            }
            #expect(documented == expected, "the rows are in the order of the table of keys")
        }
        let rowCount = ConfigurationKeys.cluster.count + ConfigurationKeys.node.count
        #expect(lines.filter { $0.hasPrefix("| `") && $0.contains("GOFERBROKE_") }.count <= rowCount, "no table of keys outside the marks")
    }

    @Test func theBoundsOnThePageAreThoseOfTheCode() throws {
        let page = try pageLines().joined(separator: "\n")
        let limits = ConfigurationLimits.standard
        for (what, bound) in [
            ("file", "\(limits.documentSize) bytes"), ("file with its includes", "\(limits.totalSize) bytes"),
            ("levels of `{` and `[`", "\(limits.nestingDepth)"), ("includes in a chain", "\(limits.includeDepth)"),
            ("includes in all", "\(limits.includeCount)"), ("string", "\(limits.stringSize) bytes"), ("key", "\(limits.keySize) bytes"),
            ("keys and elements", "\(limits.nodeCount)"),
        ] {
            #expect(page.contains("- \(what): \(bound)"), "\(what)")
        }
    }

    @Test func theExamplesOnThePageParse() throws {
        var examples: [(kind: String, text: String)] = []
        var current: (kind: String, text: String)?
        let source = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let bytes = try LocalConfigurationFileSystem().contents(of: "/\(source)/docs/CONFIGURATION.md", limit: 1 << 20)
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false) {
            if let example = current {
                if line == "```" {
                    examples.append(example)
                    current = nil
                } else {
                    current = (example.kind, example.text + line + "\n")
                }
            } else if line.hasPrefix("```conf ") {
                current = (String(line.dropFirst(8)), "")
            }
        }
        #expect(examples.map(\.kind) == ["cluster", "node"])
        let files = TestFiles(["limits.conf": "MaxValueSize = 1MiB"])
        let environment = ["POD_NAME": "web-1"]
        for example in examples {
            if example.kind == "cluster" {
                _ = try ClusterConfiguration.parse(example.text.utf8, environment: environment, fileSystem: files)
            } else {
                _ = try NodeConfiguration.parse(example.text.utf8, environment: environment, fileSystem: files)
            }
        }
    }

    @Test func defaultsAreInTheirRange() throws {
        func check<Root: KeyedConfiguration>(_ type: Root.Type) throws {
            for setting in Root.settings where !setting.key.isMeaningless {
                #expect(throws: Never.self, "\(setting.key.path)") {
                    try Root().setting(key: setting.key.path, to: setting.key.defaultText, isRunning: false)
                }
                #expect(!setting.key.meaning.isEmpty)
                #expect(!setting.key.meaning.hasSuffix("."))
            }
            #expect(Set(Root.settings.map(\.key.path)).count == Root.settings.count)
        }
        try check(ClusterConfiguration.self)
        try check(NodeConfiguration.self)
    }
}

@Suite struct NearestKeyTests {
    @Test(arguments: [
        ("Cluster.GossipIntervall", "Cluster.GossipInterval"),
        ("cluster.gossipinterval", "Cluster.GossipInterval"),
        ("Cluster.GossipIntreval", "Cluster.GossipInterval"),
        ("PhiThreshold", "Cluster.PhiThreshold"),
        ("SeedServer", "SeedServers"),
        ("name", "Name"),
    ])
    func mistypedKeysFindTheirs(typed: String, meant: String) {
        #expect(ConfigurationKeys.nearest(to: typed, in: .cluster) == meant)
    }

    @Test func nothingNearIsNoSuggestion() {
        #expect(ConfigurationKeys.nearest(to: "zzzzzzzzzzzz", in: .cluster) == nil)
        #expect(ConfigurationKeys.nearest(to: String(repeating: "x", count: 100_000), in: .node) == nil)
    }
}
