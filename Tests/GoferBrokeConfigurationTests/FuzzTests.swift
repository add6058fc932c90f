// SPDX-License-Identifier: Apache-2.0
// Some thousands of made-up inputs: none may trap, and every promise must hold.

import GoferBrokeConfiguration
import Testing

@Suite struct FuzzTests {
    private static let seeds: [String] = [
        ClusterConfiguration(name: "shop", seedServers: [Endpoint(host: "::1", port: 1)]).rendered(),
        NodeConfiguration(name: "é", id: "1").rendered(),
        "Name = \"a\\u{e9}\\n\" // c\nSeedServers: [ {Host: 'localhost', Port: \"8081\"}, $HOST, ]\nCluster { MaxGossipSize = 1 }",
        "include \"x\"\nCluster.PhiThreshold = $PORT\nCluster = { GossipInterval = 1.5s, EagerPush = off }\n# end",
        "\u{1}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{5}\u{2}n19.5",
    ]

    private static let tokens: [[UInt8]] =
        [
            "{", "}", "[", "]", "=", ":", ",", "\n", "\"", "'", "\\", "\\u{", "$", "${", "//", "#", ".", " ", "include ", "Cluster", "Name",
            "Host", "1s", "-1",
            "99999999999999999999", "1e999", "nan", "\u{FEFF}", "\r\n",
        ].map { Array($0.utf8) } + [[0], [0xFF], [0xC3], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0x1B]]

    private func mutated(_ bytes: [UInt8], using random: inout TestRandom) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            let index = Int.random(in: 0...bytes.count, using: &random)
            switch Int.random(in: 0..<5, using: &random) {
            case 0: bytes.insert(contentsOf: FuzzTests.tokens.randomElement(using: &random) ?? [], at: index)
            case 1 where index < bytes.count: bytes[index] = UInt8.random(in: .min ... .max, using: &random)
            case 2 where index < bytes.count: bytes.removeSubrange(index..<min(bytes.count, index + Int.random(in: 1...9, using: &random)))
            case 3 where index < bytes.count:
                let slice = bytes[index..<min(bytes.count, index + Int.random(in: 1...40, using: &random))]
                bytes.insert(contentsOf: slice, at: Int.random(in: 0...bytes.count, using: &random))
            default: bytes = Array(bytes.prefix(index)) + (FuzzTests.tokens.randomElement(using: &random) ?? [])
            }
        }
        return bytes
    }

    @Test func mutatedDocumentsBreakNoPromise() {
        var random = TestRandom(seed: 1)
        var parsed = 0
        for round in 0..<4_000 {
            let input = mutated(Array(FuzzTests.seeds[round % FuzzTests.seeds.count].utf8), using: &random)
            if let broken = ConfigurationFuzz.parse(input) {
                Issue.record("round \(round): \(broken)\ninput: \(input)")
            }
            if (try? ConfigurationDocument.parse(input, environment: ["HOST": "h:1"], fileSystem: NoConfigurationFiles())) != nil {
                parsed += 1
            }
        }
        // The inputs must be near enough to the language to reach behind the lexer.
        #expect(parsed > 250)
    }

    @Test func randomBytesBreakNoPromise() {
        var random = TestRandom(seed: 2)
        for round in 0..<3_000 {
            let input = (0..<Int.random(in: 0...64, using: &random)).flatMap { _ in
                Bool.random(using: &random)
                    ? FuzzTests.tokens.randomElement(using: &random) ?? [] : [UInt8.random(in: .min ... .max, using: &random)]
            }
            if let broken = ConfigurationFuzz.parse(input) {
                Issue.record("round \(round): \(broken)\ninput: \(input)")
            }
        }
    }

    @Test func everyPrefixOfADocumentIsSafe() {
        for seed in FuzzTests.seeds {
            let bytes = Array(seed.utf8)
            for count in 0...bytes.count {
                #expect(ConfigurationFuzz.parse(Array(bytes.prefix(count))) == nil)
            }
        }
    }
}
