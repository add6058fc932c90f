// SPDX-License-Identifier: Apache-2.0
// The cluster configuration as state: the same winner everywhere, told of once, never lost.

import GoferBrokeConfiguration
import Testing

@Suite struct StampedValueTests {
    @Test func encodingHasFixedBytes() throws {
        let value = StampedValue(stamp: ConfigurationStamp(number: 0x0102, writer: "n1"), text: "9.5")
        let bytes: [UInt8] = [1, 0, 0, 0, 0, 0, 0, 1, 2, 2, 0x6E, 0x31, 0x39, 0x2E, 0x35]
        #expect(try value.encoded() == bytes)
        #expect(try StampedValue(decoding: bytes) == value)
    }

    @Test func everyPrefixOfAnEntryIsSafe() throws {
        let bytes = try StampedValue(stamp: ConfigurationStamp(number: 7, writer: "writer"), text: "value").encoded()
        for count in 0..<bytes.count {
            // A shorter text is a text too; everything shorter than that is refused.
            let decoded = try? StampedValue(decoding: bytes[0..<count])
            #expect((decoded == nil) == (count < 16), "\(count)")
        }
    }

    @Test(
        arguments: [
            ([2, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0x61], "form 1"),
            ([1, 0x80, 0, 0, 0, 0, 0, 0, 1, 1, 0x61], "a stamp up to 9223372036854775807"),
            ([1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0x61], "a writer's name of 1 to 255 bytes"),
            ([1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0x0A], "a writer's name of 1 to 255 bytes"),
            ([1, 0, 0, 0, 0, 0, 0, 0, 1, 9, 0x61], "a writer of 9 bytes"),
            ([1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0xFF], "UTF-8 text"),
            ([1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0x61, 0xC3], "UTF-8 text"),
        ] as [([UInt8], String)]
    )
    func malformedEntriesAreRefused(bytes: [UInt8], expected: String) {
        #expect(configurationError { () throws(ConfigurationError) in try StampedValue(decoding: bytes) }?.expected == expected)
    }

    @Test func sizesAreBounded() throws {
        let longest = StampedValue(
            stamp: ConfigurationStamp(number: 1, writer: String(repeating: "w", count: 255)),
            text: String(repeating: "v", count: 4_096)
        )
        let bytes = try longest.encoded()
        #expect(bytes.count == StampedValue.encodedSizeMax)
        #expect(try StampedValue(decoding: bytes) == longest)
        #expect(configurationError { () throws(ConfigurationError) in try StampedValue(decoding: bytes + [0x61]) } != nil)
        let tooLong = StampedValue(stamp: longest.stamp, text: longest.text + "v")
        #expect(configurationError { () throws(ConfigurationError) in try tooLong.encoded() } != nil)
    }

    @Test func namesCompareByBytes() {
        let composed = ConfigurationStamp(number: 1, writer: "\u{E9}")
        let decomposed = ConfigurationStamp(number: 1, writer: "e\u{301}")
        #expect(composed != decomposed)
        #expect(decomposed < composed)
        #expect(ConfigurationStamp(number: 1, writer: "z") < ConfigurationStamp(number: 2, writer: "a"))
    }
}

@Suite struct ReplicatedConfigurationTests {
    private let phi = "Cluster.PhiThreshold"
    private let push = "Cluster.EagerPush"

    private func node(_ name: String, file: String = "") throws -> ReplicatedConfiguration {
        ReplicatedConfiguration(selfName: name, file: try ClusterConfiguration.parse(file.utf8, fileSystem: TestFiles()))
    }

    private func member(_ name: String, file: String = "") throws -> ReplicatedConfiguration {
        var node = try node(name, file: file)
        _ = node.foundCluster()
        return node
    }

    private func value(_ number: UInt64, _ writer: String, _ text: String) -> StampedValue {
        StampedValue(stamp: ConfigurationStamp(number: number, writer: writer), text: text)
    }

    @Test func theFounderBringsItsFile() throws {
        var founder = try node("a", file: "Name = shop\nCluster { PhiThreshold = 10, ProbeTimeout = 1s, MaxGossipSize = 1 }")
        #expect(founder.configuration.phiThreshold == 10)
        let (publish, events) = founder.foundNoCluster()
        #expect(
            publish == [
                ConfigurationPublication(key: "Cluster.FailureProbeTimeout", value: value(0, "a", "1s")),
                ConfigurationPublication(key: phi, value: value(0, "a", "10.0")),
            ]
        )
        #expect(events.isEmpty)
        #expect(founder.configuration.phiThreshold == 10)
        #expect(founder.foundNoCluster().publish.isEmpty)
    }

    @Test func aJoinerTakesTheClustersConfiguration() throws {
        var joiner = try node(
            "b",
            file: "Name = shop\nSeedServers = [a:1]\nCluster { PhiThreshold = 12, GossipInterval = 5s, MaxKeySize = 99 }"
        )
        #expect(joiner.merge(publisher: "a", key: phi, value: value(0, "a", "10.0")).isEmpty)
        #expect(joiner.configuration.phiThreshold == 12)
        let events = joiner.foundCluster()
        #expect(events.changedKeys == ["Cluster.GossipInterval", phi, "Cluster.MaxKeySize"])
        #expect(events.liveKeys == ["Cluster.GossipInterval", phi])
        #expect(joiner.configuration.phiThreshold == 10)
        #expect(joiner.configuration.gossipInterval == .seconds(1))
        #expect(joiner.configuration.name == "shop")
        #expect(joiner.configuration.seedServers == [Endpoint(host: "a", port: 1)])
        #expect(joiner.duty(liveMembers: ["a", "b"]) == ConfigurationDuty())
    }

    @Test func aChangeGoesAboveEverythingSeen() throws {
        var node = try member("b")
        _ = node.merge(publisher: "a", key: push, value: value(41, "a", "false"))
        let (publish, events) = try node.change(phi, to: "9")
        #expect(publish == ConfigurationPublication(key: phi, value: value(42, "b", "9.0")))
        #expect(
            events == [
                .changed(
                    ConfigurationChange(
                        key: phi,
                        oldText: "8.0",
                        newText: "9.0",
                        stamp: ConfigurationStamp(number: 42, writer: "b"),
                        isLive: true
                    )
                )
            ]
        )
        #expect(node.configuration.phiThreshold == 9)
        #expect(!node.configuration.isEagerPushOn)
    }

    @Test func aChangeUnderAnAliasIsPublishedUnderTheMainName() throws {
        var node = try member("b")
        #expect(try node.change("Cluster.ProbeTimeout", to: "500").publish.key == "Cluster.FailureProbeTimeout")
        #expect(node.configuration.probeTimeout == .milliseconds(500))
    }

    @Test func wrongChangesLeaveNothingBehind() throws {
        var node = try member("b")
        for (key, text) in [(phi, "x"), ("Cluster.MaxKeySize", "9"), ("Name", "x"), ("Cluster.Nope", "1"), ("Cluster.MaxGossipSize", "1")] {
            #expect(configurationError { () throws(ConfigurationError) in try node.change(key, to: text) } != nil)
        }
        #expect(node.greatestStamp == 0)
        #expect(node.entries.isEmpty)
        var joining = try self.node("c")
        #expect(
            configurationError { () throws(ConfigurationError) in try joining.change(phi, to: "9") }?.found == "one that is still joining"
        )
        _ = node.merge(publisher: "a", key: push, value: value(ConfigurationStamp.numberMax, "a", "false"))
        #expect(configurationError { () throws(ConfigurationError) in try node.change(phi, to: "9") }?.code == .limit)
    }

    @Test func theSameEntriesInAnyOrderGiveTheSameConfiguration() throws {
        let entries: [(publisher: String, key: String, value: StampedValue)] = [
            ("a", phi, value(0, "a", "10.0")),
            ("b", phi, value(3, "b", "11.0")),
            ("c", phi, value(3, "c", "12.0")),
            ("d", phi, value(2, "z", "13.0")),
            ("e", phi, value(3, "c", "12.0")),
            ("f", phi, value(3, "c", "12.5")),
            ("a", push, value(1, "a", "false")),
            ("g", push, value(1, "b", "maybe")),
        ]
        for seed in 0..<200 {
            var random = TestRandom(seed: UInt64(seed))
            var node = try member("x")
            for entry in entries.shuffled(using: &random) {
                _ = node.merge(publisher: entry.publisher, key: entry.key, value: entry.value)
            }
            #expect(node.configuration.phiThreshold == 12.5)
            #expect(!node.configuration.isEagerPushOn)
            #expect(node.entries == [phi: value(3, "c", "12.5"), push: value(1, "a", "false")])
        }
    }

    @Test func concurrentChangesEndEqualAndTheLoserIsToldOnce() throws {
        var a = try member("a")
        var b = try member("b")
        let fromA = try a.change(phi, to: "9").publish
        let fromB = try b.change(phi, to: "10").publish
        let atA = a.merge(publisher: "b", key: fromB.key, value: fromB.value)
        let atB = b.merge(publisher: "a", key: fromA.key, value: fromA.value)
        #expect(atA.first == .superseded(key: phi, lost: fromA.value, by: fromB.value))
        #expect(atA.changedKeys == [phi])
        #expect(atB == [.superseded(key: phi, lost: fromA.value, by: fromB.value)])
        #expect(a.configuration.phiThreshold == 10)
        #expect(b.configuration.phiThreshold == 10)
        // Told again by others: nothing new.
        #expect(a.merge(publisher: "c", key: fromB.key, value: fromB.value).isEmpty)
        #expect(b.merge(publisher: "c", key: fromA.key, value: fromA.value).isEmpty)
        // The loser's own lane no longer needs its entry.
        #expect(a.duty(liveMembers: ["a", "b"]).withdraw == [phi])
        #expect(a.duty(liveMembers: ["a", "b"]) == ConfigurationDuty())
        #expect(b.duty(liveMembers: ["a", "b"]) == ConfigurationDuty())
    }

    @Test func aLaterChangeIsNoConflict() throws {
        var a = try member("a")
        var b = try member("b")
        let first = try a.change(phi, to: "9").publish
        #expect(b.merge(publisher: "a", key: first.key, value: first.value).changedKeys == [phi])
        let second = try b.change(phi, to: "10").publish
        let events = a.merge(publisher: "b", key: second.key, value: second.value)
        #expect(events.count == 1)
        #expect(events.changedKeys == [phi])
    }

    @Test func anUnpublishedWinnerIsRepublishedUnchangedByTheFirstLiveMember() throws {
        var b = try member("b")
        var c = try member("c")
        let entry = value(5, "a", "9.0")
        _ = b.merge(publisher: "a", key: phi, value: entry)
        _ = c.merge(publisher: "a", key: phi, value: entry)
        #expect(b.duty(liveMembers: ["a", "b", "c"]) == ConfigurationDuty())
        // a died.
        b.forget(publisher: "a")
        c.forget(publisher: "a")
        #expect(c.duty(liveMembers: ["b", "c"]) == ConfigurationDuty())
        let duty = b.duty(liveMembers: ["b", "c"])
        #expect(duty.publish == [ConfigurationPublication(key: phi, value: entry)])
        #expect(b.duty(liveMembers: ["b", "c"]) == ConfigurationDuty())
        #expect(c.merge(publisher: "b", key: phi, value: entry).isEmpty)
        #expect(b.configuration.phiThreshold == 9)
        // b died too: c is the first now.
        c.forget(publisher: "b")
        #expect(c.duty(liveMembers: ["c"]).publish == [ConfigurationPublication(key: phi, value: entry)])
    }

    @Test func anEntryThatTheFirstMemberNeverHeardOfIsRepublishedByTheNext() throws {
        var c = try member("c")
        _ = c.merge(publisher: "z", key: phi, value: value(5, "z", "9.0"))
        c.forget(publisher: "z")
        #expect(c.duty(liveMembers: ["a", "b", "c"]).isEmpty)
        #expect(c.duty(liveMembers: ["a", "b", "c"]).isEmpty)
        #expect(c.duty(liveMembers: ["a", "b", "c"]).publish == [ConfigurationPublication(key: phi, value: value(5, "z", "9.0"))])
        #expect(c.duty(liveMembers: ["a", "b", "c"]).isEmpty)
    }

    @Test func aPublisherThatIsNotAliveDoesNotCount() throws {
        var b = try member("b")
        _ = b.merge(publisher: "a", key: phi, value: value(5, "a", "9.0"))
        #expect(b.duty(liveMembers: ["b"]).publish.count == 1)
    }

    @Test func aRestartedWriterDoesNotRepublishForItselfUnlessItIsFirst() throws {
        // z wrote the entry, restarted with an empty lane, and has merged what the others still know.
        var z = try node("z")
        _ = z.merge(publisher: "b", key: phi, value: value(5, "z", "9.0"))
        _ = z.foundCluster()
        z.forget(publisher: "b")
        #expect(z.duty(liveMembers: ["b", "z"]) == ConfigurationDuty())
        #expect(z.duty(liveMembers: ["z"]).publish == [ConfigurationPublication(key: phi, value: value(5, "z", "9.0"))])
    }

    @Test func anEntryTakenBackStaysInForce() throws {
        var b = try member("b")
        _ = b.merge(publisher: "a", key: phi, value: value(5, "a", "9.0"))
        b.withdrawn(publisher: "a", key: phi)
        #expect(b.configuration.phiThreshold == 9)
        #expect(b.duty(liveMembers: ["a", "b"]) == ConfigurationDuty())
        #expect(b.duty(liveMembers: ["b"]).publish.count == 1)
    }

    @Test func wrongEntriesAreRefusedAndNeverWin() throws {
        var b = try member("b")
        func reason(_ key: String, _ bytes: [UInt8]) -> String? {
            guard case .refused(_, _, let reason) = b.merge(publisher: "evil", encoded: [(key, bytes)]).first else { return nil }
            return reason
        }
        #expect(reason(phi, [1, 2, 3])?.hasPrefix("configuration entry: expected 10 to ") == true)
        #expect(reason(phi, try value(9, "e", "1000").encoded())?.contains("1.0 to 100.0") == true)
        #expect(reason("Name", try value(9, "e", "x").encoded()) == "Name is not part of the cluster's state")
        #expect(
            reason("Cluster.ProbeTimeout", try value(9, "e", "1s").encoded()) == "Cluster.ProbeTimeout is not part of the cluster's state"
        )
        #expect(reason("", try value(9, "e", "x").encoded()) != nil)
        #expect(reason("a\nb", try value(9, "e", "x").encoded()) != nil)
        #expect(b.configuration == ClusterConfiguration())
        #expect(b.entries.isEmpty)
    }

    @Test func keysOfNewerVersionsArePassedOn() throws {
        var b = try member("b")
        #expect(b.merge(publisher: "a", key: "Cluster.FromTheFuture", value: value(5, "a", "x")).isEmpty)
        #expect(b.configuration == ClusterConfiguration())
        #expect(b.greatestStamp == 5)
        b.forget(publisher: "a")
        #expect(b.duty(liveMembers: ["b"]).publish.map(\.key) == ["Cluster.FromTheFuture"])
    }

    @Test func theNumberOfKeysIsBounded() throws {
        var b = try member("b")
        for index in 0..<ReplicatedConfiguration.keyCountMax {
            #expect(b.merge(publisher: "a", key: "Cluster.New\(index)", value: value(1, "a", "x")).isEmpty)
        }
        #expect(b.merge(publisher: "a", key: "Cluster.OneMore", value: value(1, "a", "x")).count == 1)
        #expect(b.entries.count == ReplicatedConfiguration.keyCountMax)
    }

    @Test func twoFoundersThatMeetEndEqual() throws {
        var a = try node("a", file: "Cluster { PhiThreshold = 9, GossipInterval = 2s }")
        var b = try node("b", file: "Cluster { PhiThreshold = 10 }")
        let fromA = a.foundNoCluster().publish
        let fromB = b.foundNoCluster().publish
        for publication in fromB { _ = a.merge(publisher: "b", key: publication.key, value: publication.value) }
        for publication in fromA { _ = b.merge(publisher: "a", key: publication.key, value: publication.value) }
        #expect(a.configuration == b.configuration)
        #expect(a.configuration.phiThreshold == 10)
        #expect(b.configuration.gossipInterval == .seconds(2))
    }

    @Test func theOwnLaneOfAnEarlierLifeWinsOverTheFile() throws {
        var a = try node("a", file: "Cluster { PhiThreshold = 9 }")
        _ = a.merge(publisher: "a", key: phi, value: value(7, "c", "11.0"))
        #expect(a.foundNoCluster().publish.isEmpty)
        #expect(a.configuration.phiThreshold == 11)
    }

    /// Nodes that change, crash and hear each other in random order: at the end, all that live have the same configuration.
    @Test func clustersUnderRandomScheduleConverge() throws {
        for seed in 0..<100 {
            var random = TestRandom(seed: UInt64(seed))
            let names = ["a", "b", "c", "d"]
            var nodes: [String: ReplicatedConfiguration] = [:]
            var lanes: [String: [String: StampedValue]] = [:]
            for name in names {
                nodes[name] = try member(name)
                lanes[name] = [:]
            }
            for _ in 0..<60 {
                guard let name = nodes.keys.sorted().randomElement(using: &random), var node = nodes[name] else { continue }
                switch Int.random(in: 0..<8, using: &random) {
                case 0, 1:
                    let key = Bool.random(using: &random) ? phi : "Cluster.PaWindowSize"
                    let change = try node.change(key, to: "\(Int.random(in: 2...90, using: &random))")
                    lanes[name]?[change.publish.key] = change.publish.value
                case 2 where nodes.count > 2:
                    nodes[name] = nil
                    lanes[name] = nil
                    for other in nodes.keys { nodes[other]?.forget(publisher: name) }
                    settle(&nodes, &lanes)
                    continue
                default:
                    guard let from = nodes.keys.sorted().randomElement(using: &random) else { continue }
                    for (key, value) in lanes[from] ?? [:] { _ = node.merge(publisher: from, key: key, value: value) }
                }
                nodes[name] = node
            }
            settle(&nodes, &lanes)
            let configurations = Set(nodes.values.map(\.configuration))
            #expect(configurations.count == 1, "seed \(seed)")
            // A joiner that reads the live lanes alone has it too.
            var joiner = try node("y")
            for (name, lane) in lanes {
                for (key, value) in lane { _ = joiner.merge(publisher: name, key: key, value: value) }
            }
            _ = joiner.foundCluster()
            #expect(joiner.configuration == configurations.first, "seed \(seed)")
        }
    }

    /// Lets everybody hear everybody and do its duty until nothing changes.
    private func settle(_ nodes: inout [String: ReplicatedConfiguration], _ lanes: inout [String: [String: StampedValue]]) {
        for _ in 0..<8 {
            for name in nodes.keys.sorted() {
                for (from, lane) in lanes {
                    for (key, value) in lane { _ = nodes[name]?.merge(publisher: from, key: key, value: value) }
                }
                let live = Array(nodes.keys)
                let duty = nodes[name]?.duty(liveMembers: live) ?? ConfigurationDuty()
                for publication in duty.publish { lanes[name]?[publication.key] = publication.value }
                for key in duty.withdraw {
                    lanes[name]?[key] = nil
                    for other in nodes.keys { nodes[other]?.withdrawn(publisher: name, key: key) }
                }
            }
        }
    }
}
