// SPDX-License-Identifier: Apache-2.0

import GoferBrokeMembership
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

@Suite("Rings")
struct RingPlacementTests {
    @Test("Every hash equals its golden vector, which the C core reads too")
    func hashesEqualTheVectors() throws {
        let lines = try readVectors().split(separator: "\n")
        #expect(lines.count == 11)
        for line in lines {
            let fields = line.split(separator: " ")
            try #require(fields.count == 5)
            let hashes = RingPlacement.hashes(of: String(fields[0]))
            for ring in 0..<RingPlacement.ringCount {
                #expect(hashes[ring] == UInt64(fields[ring + 1], radix: 16), "\(fields[0]) on ring \(ring)")
            }
        }
    }

    @Test("Up to 16 members everybody is everybody's neighbour; from 17 on only successors and predecessors are")
    func meshEndsAtSixteen() {
        let names = (1...17).map { "node-\($0)" }
        #expect(RingPlacement.neighbors(of: names[0], among: Array(names.prefix(16))).count == 15)
        let neighbors = RingPlacement.neighbors(of: names[0], among: names)
        #expect(neighbors.count <= 8 && neighbors.count >= 2)
    }

    @Test("Neighbours are those beside a name in the sorted order of each ring")
    func neighborsStandBesideTheName() {
        let names = (1...100).map { "node-\($0)" }
        for name in names {
            var expected: Set<String> = []
            for ring in 0..<RingPlacement.ringCount {
                let sorted = names.sorted { RingPlacement.hashes(of: $0)[ring] < RingPlacement.hashes(of: $1)[ring] }
                let place = sorted.firstIndex(of: name) ?? 0
                expected.insert(sorted[(place + 1) % 100])
                expected.insert(sorted[(place + 99) % 100])
            }
            #expect(RingPlacement.neighbors(of: name, among: names) == expected.sorted())
        }
    }

    @Test("Being a neighbour is mutual, and a name outside the set finds the same ones as inside")
    func neighborsAreMutual() {
        let names = (1...40).map { "web-\($0)" }
        for name in names {
            let neighbors = RingPlacement.neighbors(of: name, among: names)
            for other in neighbors {
                #expect(RingPlacement.neighbors(of: other, among: names).contains(name))
            }
            #expect(RingPlacement.neighbors(of: name, among: names.filter { $0 != name }) == neighbors)
        }
    }

    @Test("Two spellings of one letter are two names")
    func namesAreBytes() {
        let composed = "caf\u{e9}"
        let decomposed = "cafe\u{301}"
        #expect(RingPlacement.hashes(of: composed) != RingPlacement.hashes(of: decomposed))
        var detector = PhiAccrualDetector(name: "self", generation: 1, seed: 1)
        _ = detector.handle(.memberUpdated(Member(name: composed, generation: 1)), now: .zero)
        _ = detector.handle(.memberUpdated(Member(name: decomposed, generation: 7)), now: .zero)
        #expect(detector.members(at: .zero).map(\.generation) == [7, 1])
    }

    @Test("The generator repeats itself for the same seed: first numbers of SplitMix64 from 1234567")
    func generatorIsSplitMix64() {
        var random = DetectorRandom(seed: 1_234_567)
        #expect(random.next() == 6_457_827_717_110_365_317)
        #expect(random.next() == 3_203_168_211_198_807_973)
    }

    /// The file stands beside the test targets: Tests/Vectors/rings.txt.
    private func readVectors() throws -> String {
        let folder = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(2).joined(separator: "/")
        let file = try #require(fopen("\(folder)/Vectors/rings.txt", "r"))
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }
}
