// SPDX-License-Identifier: Apache-2.0
// The two documents: what reads, with which values, and how errors help.

import GoferBrokeConfiguration
import Testing

@Suite struct ClusterConfigurationTests {
    private func read(_ text: String, environment: [String: String] = [:]) throws -> ClusterConfiguration {
        try ClusterConfiguration(parsing: text, file: "cluster.conf", environment: environment, fileSystem: TestFiles())
    }

    @Test func theVocabularysClusterFileReads() throws {
        let parsed = try ClusterConfiguration.parse(
            """
            Name = "default-local-cluster"
            SeedServers = [
                {Host: "localhost", Port: "8081"},
                {Host: "localhost", Port: 8082,},
            ]
            Cluster {
                ClusterNetworkType = "LOCAL"
                NodeSelectionPerGossipRound = 2
                DiscoveryPercentage = 50
                MaxDeltaGossipedPerParticipant = 5
                MaxGossipSize = 2048
                MaxDeltaSize = 1000
                MaxDiscoverySize = 1024
                PaWindowSize = 200
                MaxGossSynAck = 1400
                MaxNumberOfNodes = 1000
                GossipRoundTimeout = 1500
                MaxSequenceIDPool = 100
                EndpointsURLMap = { "test": "hello" }
                NodeMTLSRequired = false
                ClientMTLSRequired = off
                FailureKNodesToProbe = 1
                FailureProbeTimeout = 250
                NodeFaultyAfter = "20s"
            }
            """.utf8,
            file: "cluster.conf",
            fileSystem: TestFiles()
        )
        let configuration = parsed.configuration
        #expect(configuration.name == "default-local-cluster")
        #expect(configuration.seedServers == [Endpoint(host: "localhost", port: 8_081), Endpoint(host: "localhost", port: 8_082)])
        #expect(configuration.networkType == .local)
        #expect(configuration.nodeSelectionPerGossipRound == 2)
        #expect(configuration.phiWindowSize == 200)
        #expect(configuration.maxNumberOfNodes == 1_000)
        #expect(configuration.gossipRoundTimeout == .milliseconds(1_500))
        #expect(configuration.probeHelpers == 1)
        #expect(configuration.probeTimeout == .milliseconds(250))
        #expect(configuration.nodeFaultyAfter == .seconds(20))
        #expect(
            parsed.warnings == [
                "cluster.conf: these keys are accepted but mean nothing here: Cluster.DiscoveryPercentage, "
                    + "Cluster.MaxDeltaGossipedPerParticipant, Cluster.MaxGossipSize, Cluster.MaxDeltaSize, Cluster.MaxDiscoverySize, "
                    + "Cluster.MaxGossSynAck, Cluster.MaxSequenceIDPool, Cluster.EndpointsURLMap"
            ]
        )
        #expect(parsed.givenKeys.contains("Cluster.PaWindowSize"))
        #expect(!parsed.givenKeys.contains("Cluster.MaxGossipSize"))
    }

    @Test func anEmptyDocumentIsAllDefaults() throws {
        #expect(try read("") == ClusterConfiguration())
        #expect(try read("Cluster { }\n# nothing") == ClusterConfiguration())
    }

    @Test func valuesOfEveryTypeAreExact() throws {
        let configuration = try read(
            """
            Cluster: {
                GossipInterval = 250ms
                HeartbeatInterval: 1.5s
                TombstoneGrace = 2h
                DeadMemberRetention = 1d
                SystemFactsInterval = 2m
                PhiMinimumDeviation = 1500us
                PhiThreshold = 1.25e1
                MaxValueSize = 1MiB
                MaxLinkQueueSize = 64KiB
                MaxKeySize = 1KB
                EagerPush = no
                SystemLoad = yes
                SystemFacts = On
                ClusterNetworkType = dynamic
            }
            """
        )
        #expect(configuration.gossipInterval == .milliseconds(250))
        #expect(configuration.heartbeatInterval == .milliseconds(1_500))
        #expect(configuration.tombstoneGrace == .seconds(7_200))
        #expect(configuration.deadMemberRetention == .seconds(86_400))
        #expect(configuration.systemFactsInterval == .seconds(120))
        #expect(configuration.phiMinimumDeviation == .microseconds(1_500))
        #expect(configuration.phiThreshold == 12.5)
        #expect(configuration.maxValueSize == 1_048_576)
        #expect(configuration.maxLinkQueueSize == 65_536)
        #expect(configuration.maxKeySize == 1_000)
        #expect(!configuration.isEagerPushOn)
        #expect(configuration.isSystemLoadOn)
        #expect(configuration.areSystemFactsOn)
        #expect(configuration.networkType == .dynamic)
    }

    @Test func probeTimeoutHasTwoNamesAndOneValue() throws {
        #expect(try read("Cluster { ProbeTimeout = 1s }").probeTimeout == .seconds(1))
        let error = readError(ClusterConfiguration.self, "Cluster { ProbeTimeout = 1s, FailureProbeTimeout = 2s }")
        #expect(
            error?.description
                == "test.conf:1:30: expected each key once, found \"FailureProbeTimeout\" again (key Cluster.FailureProbeTimeout); it was first given at test.conf:1:11"
        )
    }

    @Test func seedsComeInEveryForm() throws {
        let wanted = [Endpoint(host: "a", port: 1), Endpoint(host: "::1", port: 65_535)]
        #expect(try read("SeedServers = [ a:1, \"[::1]:65535\" ]").seedServers == wanted)
        #expect(try read("SeedServers = [ {Host = a, Port = 1}, {Port: \"65535\", Host: '::1'} ]").seedServers == wanted)
        #expect(try read("SeedServers = \"a:1, [::1]:65535\"").seedServers == wanted)
        #expect(try read("SeedServers = $SEEDS", environment: ["SEEDS": "a:1,[::1]:65535"]).seedServers == wanted)
        #expect(try read("SeedServers = []").seedServers == [])
    }

    @Test("A host that begins with a combining mark is parted from bracket and comma all the same")
    func combiningMarks() throws {
        let wanted = [Endpoint(host: "\u{e38}a:b", port: 8_081), Endpoint(host: "\u{301}c", port: 1)]
        let text = "SeedServers = \"[\u{e38}a:b]:8081,\u{301}c:1\""
        #expect(try read(text).seedServers == wanted)
        let configuration = ClusterConfiguration(name: "c", seedServers: wanted)
        #expect(try read(configuration.rendered()).seedServers == wanted)
    }

    @Test func aLocalClusterHasALocalSeed() throws {
        #expect(try read("").effectiveSeedServers == [Endpoint(host: "localhost", port: 8_081)])
        #expect(try read("Cluster.ClusterNetworkType = UNDEFINED").effectiveNetworkType == .local)
        #expect(try read("Cluster.ClusterNetworkType = PRIVATE").effectiveSeedServers == [])
        #expect(try read("SeedServers = [ b:2 ]").effectiveSeedServers == [Endpoint(host: "b", port: 2)])
    }

    @Test(arguments: [
        (
            "Cluster { GossipInterval = fast }",
            "test.conf:1:28: expected a duration such as 500ms, found \"fast\" (key Cluster.GossipInterval)"
        ),
        (
            "Cluster { GossipInterval = 500 }",
            "test.conf:1:28: expected a duration such as 500ms, found \"500\" (key Cluster.GossipInterval)"
        ),
        (
            "Cluster { GossipInterval = 1us }",
            "test.conf:1:28: expected a duration in the range 10ms to 1h, found \"1us\" (key Cluster.GossipInterval)"
        ),
        (
            "Cluster { FailureProbeTimeout = soon }",
            "test.conf:1:33: expected a duration such as 500ms or a number of milliseconds, found \"soon\" (key Cluster.FailureProbeTimeout)"
        ),
        (
            "Cluster { FailureProbeTimeout = 65536000 }",
            "test.conf:1:33: expected a duration in the range 10ms to 1m, found \"65536000\" (key Cluster.FailureProbeTimeout)"
        ),
        (
            "Cluster { PhiThreshold = 0.5 }",
            "test.conf:1:26: expected a float in the range 1.0 to 100.0, found \"0.5\" (key Cluster.PhiThreshold)"
        ),
        ("Cluster { PhiThreshold = nan }", "test.conf:1:26: expected a number such as 8.0, found \"nan\" (key Cluster.PhiThreshold)"),
        (
            "Cluster { PaWindowSize = -1 }",
            "test.conf:1:26: expected an integer in the range 2 to 10000, found \"-1\" (key Cluster.PaWindowSize)"
        ),
        (
            "Cluster { PaWindowSize = 99999999999999999999 }",
            "test.conf:1:26: expected an integer in the range 2 to 10000, found \"99999999999999999999\" (key Cluster.PaWindowSize)"
        ),
        ("Cluster { PaWindowSize = 1.5 }", "test.conf:1:26: expected an integer, found \"1.5\" (key Cluster.PaWindowSize)"),
        ("Cluster { PaWindowSize = [1] }", "test.conf:1:26: expected an integer, found an array (key Cluster.PaWindowSize)"),
        (
            "Cluster { MaxValueSize = 65MiB }",
            "test.conf:1:26: expected a size in the range 1KiB to 4MiB, found \"65MiB\" (key Cluster.MaxValueSize)"
        ),
        (
            "Cluster { MaxValueSize = big }",
            "test.conf:1:26: expected a size such as 64KB or 1MiB, found \"big\" (key Cluster.MaxValueSize)"
        ),
        (
            "Cluster { EagerPush = maybe }",
            "test.conf:1:23: expected true or false (or on, off, yes, no), found \"maybe\" (key Cluster.EagerPush)"
        ),
        (
            "Cluster { ClusterNetworkType = WAN }",
            "test.conf:1:32: expected one of UNDEFINED, LOCAL, PRIVATE, PUBLIC, DYNAMIC, found \"WAN\" (key Cluster.ClusterNetworkType)"
        ),
        (
            "Cluster { NodeMTLSRequired = true }",
            "test.conf:1:30: expected false (TLS is not built yet), found \"true\" (key Cluster.NodeMTLSRequired)"
        ),
        ("Cluster = 5", "test.conf:1:11: expected a block { … }, found \"5\" (key Cluster)"),
        ("Name = \"\"", "test.conf:1:8: expected a string of 1 to 255 bytes, found an empty one (key Name)"),
        ("Name = \"a\\nb\"", "test.conf:1:8: expected a string without control characters, found \"a\\nb\" (key Name)"),
        (
            "Cluster { GossipIntervall = 1s }",
            "test.conf:1:11: expected a key of the cluster document, found unknown key \"Cluster.GossipIntervall\"; did you mean Cluster.GossipInterval?"
        ),
        (
            "Cluster { gossipInterval = 1s }",
            "test.conf:1:11: expected a key of the cluster document, found unknown key \"Cluster.gossipInterval\"; did you mean Cluster.GossipInterval?"
        ),
        (
            "PhiThreshold = 9",
            "test.conf:1:1: expected a key of the cluster document, found unknown key \"PhiThreshold\"; did you mean Cluster.PhiThreshold?"
        ),
        (
            "Clusterr { PhiThreshold = 9 }",
            "test.conf:1:1: expected a key of the cluster document, found unknown key \"Clusterr\"; did you mean Cluster?"
        ),
        (
            "DataDirectory = /x",
            "test.conf:1:1: expected a key of the cluster document, found unknown key \"DataDirectory\"; it belongs to the node document"
        ),
        (
            "SeedServers = [ { Host = a, Prot = 1 } ]",
            "test.conf:1:29: expected Host and Port, found unknown key \"Prot\" (key SeedServers.0); did you mean Port?"
        ),
        (
            "SeedServers = [ a:1, { Host = a } ]",
            "test.conf:1:22: expected Host and Port, found a block without Port (key SeedServers.1)"
        ),
        (
            "SeedServers = [ { Host = a, Port = 0 } ]",
            "test.conf:1:36: expected a port in the range 1 to 65535, found \"0\" (key SeedServers.0.Port)"
        ),
        (
            "SeedServers = [ { Host = a, Port = 65536 } ]",
            "test.conf:1:36: expected a port in the range 1 to 65535, found \"65536\" (key SeedServers.0.Port)"
        ),
        (
            "SeedServers = [ localhost ]",
            "test.conf:1:17: expected { Host = …, Port = … } or \"HOST:PORT\", found \"localhost\" (key SeedServers.0)"
        ),
        (
            "SeedServers = ::1:8081",
            "test.conf:1:15: expected HOST:PORT with a port from 1 to 65535 (an IPv6 address in brackets), found \"::1:8081\" (key SeedServers)"
        ),
    ])
    func errorsSayWhatWasExpected(text: String, description: String) {
        #expect(readError(ClusterConfiguration.self, text)?.description == description)
    }

    @Test func aValueFromTheEnvironmentIsToldSo() {
        #expect(
            readError(ClusterConfiguration.self, "Cluster.PaWindowSize = $N", environment: ["N": "many"])?.description
                == "test.conf:1:24: expected an integer, found \"many\" from $N (key Cluster.PaWindowSize)"
        )
    }

    @Test func namesHaveTheirBoundInBytes() throws {
        let longest = String(repeating: "é", count: 127) + "x"
        #expect(try read("Name = \"\(longest)\"").name == longest)
        #expect(readError(ClusterConfiguration.self, "Name = \"\(longest)x\"")?.found == "256 bytes")
    }

    @Test func theNumberOfSeedsIsBounded() throws {
        let many = (1...64).map { "h:\($0)" }.joined(separator: ", ")
        #expect(try read("SeedServers = [\(many)]").seedServers.count == 64)
        #expect(
            readError(ClusterConfiguration.self, "SeedServers = [\(many), x:1]")?.description.contains("at most 64 addresses, found 65")
                == true
        )
        #expect(readError(ClusterConfiguration.self, "SeedServers = \"\(many), x:1\"")?.code == .outOfRange)
    }
}

@Suite struct NodeConfigurationTests {
    private func read(_ text: String) throws -> NodeConfiguration {
        try NodeConfiguration(parsing: text, file: "node.conf", fileSystem: TestFiles())
    }

    @Test func theVocabularysNodeFileReads() throws {
        let parsed = try NodeConfiguration.parse(
            """
            Name = "node"
            Host = "localhost"
            Port = "8083"
            NetworkType = "LOCAL"
            IsSeed = False
            ClientPort = "8084"
            Internal {
                IsTestMode = false
                DisableInitialiseSelf = false
                DisableGossip = false
                GoRoutineTracking = true
                DebugMode = false
                DisableInternalGossipSystemUpdate = true
                DisableUpdateServerTimeStampOnStartup = false
                DefaultLoggerEnabled = true
                LogOutput = "stderr"
                LogToBuffer = true
                LogBufferSize = 100
                LogChannelSize = 200
                CACertFilePath = ""
                CertFilePath = ""
                KeyFilePath = ""
                DisableStartupMessage = yes
            }
            """.utf8,
            file: "node.conf",
            fileSystem: TestFiles()
        )
        let configuration = parsed.configuration
        #expect(configuration.nodeName == "node")
        #expect(configuration.host == "localhost")
        #expect(configuration.port == 8_083)
        #expect(configuration.networkType == .local)
        #expect(configuration.clientPort == 8_084)
        #expect(configuration.areSystemFactsOff)
        #expect(configuration.logOutput == .stderr)
        #expect(configuration.isStartupMessageOff)
        #expect(parsed.warnings.count == 1)
        #expect(parsed.warnings.first?.hasPrefix("node.conf: these keys are accepted but mean nothing here: Internal.IsTestMode, ") == true)
    }

    @Test func emptyHostAndPortsAreTheDefaults() throws {
        #expect(try read("Host = \"\"\nPort = \"\"\nClientPort = \"\"\nNetworkType = UNDEFINED") == NodeConfiguration())
    }

    @Test func theNameIsMadeOfNameAndId() throws {
        #expect(try read("Name = test\nId = 1").nodeName == "test-1")
        #expect(NodeConfiguration(name: "test").nodeName == "test")
        let name = String(repeating: "n", count: 250)
        #expect(try read("Name = \(name)\nId = 1234").nodeName.utf8.count == 255)
        #expect(
            readError(NodeConfiguration.self, "Name = \(name)\nId = 12345")?.description
                == "test.conf: expected a node name (Name-Id) of at most 255 bytes, found 256 bytes (key Id)"
        )
    }

    @Test func theClientSocketIsAPlaceOrNone() throws {
        #expect(try read("").clientSocket == .automatic)
        #expect(try read("ClientSocket = off").clientSocket == .off)
        #expect(try read("ClientSocket = /run/gb/x.sock").clientSocket == .path("/run/gb/x.sock"))
    }

    @Test func theRestReads() throws {
        let configuration = try read(
            """
            Seeds = [ a:1 ]
            AdvertiseAddresses = [ "203.0.113.7:8081", { Host: "2001:db8::7", Port: 8081 } ]
            DataDirectory = "/var/lib/goferbroke"
            LogLevel = DEBUG
            LeaveTimeout = 0
            IsSeed = on
            """
        )
        #expect(configuration.seeds == [Endpoint(host: "a", port: 1)])
        #expect(configuration.advertiseAddresses.map(\.description) == ["203.0.113.7:8081", "[2001:db8::7]:8081"])
        #expect(configuration.dataDirectory == "/var/lib/goferbroke")
        #expect(configuration.logLevel == .debug)
        #expect(configuration.leaveTimeout == .zero)
        #expect(configuration.isSeed)
    }

    @Test func aMistypedKeyInABlockIsNamed() {
        #expect(
            readError(NodeConfiguration.self, "Internal { DebugMod = on }")?.description
                == "test.conf:1:12: expected a key of the node document, found unknown key \"Internal.DebugMod\"; did you mean Internal.DebugMode?"
        )
    }

    @Test func filesAreReadFromTheDisk() throws {
        // This very file is text, but no configuration; a missing one is said to be missing.
        let error = configurationError { () throws(ConfigurationError) in try NodeConfiguration.load(file: #filePath) }
        #expect(error?.file == #filePath)
        #expect(error?.line == 4)
        let missing = configurationError { () throws(ConfigurationError) in try NodeConfiguration.load(file: #filePath + ".gone") }
        #expect(missing?.description == "\(#filePath).gone: expected a file that can be read, found No such file or directory")
        let nul = configurationError { () throws(ConfigurationError) in try NodeConfiguration.load(file: #filePath + "\u{0}") }
        #expect(nul?.found == "not a file name")
    }
}

@Suite struct SingleKeyTests {
    @Test func valuesAreReadAndSetByPath() throws {
        let configuration = ClusterConfiguration()
        #expect(try configuration.value(forKey: "Cluster.PhiThreshold") == "8.0")
        #expect(try configuration.value(forKey: "Cluster.GossipInterval") == "1s")
        #expect(try configuration.value(forKey: "Cluster.ProbeTimeout") == "300ms")
        let changed = try configuration.setting(key: "Cluster.PhiThreshold", to: "10")
        #expect(changed.phiThreshold == 10)
        #expect(changed.differences(from: configuration).map(\.description) == ["Cluster.PhiThreshold: \"10.0\" here, \"8.0\" there"])
    }

    @Test func settingChecksKeyTypeRangeAndTime() throws {
        let configuration = ClusterConfiguration()
        func message(_ key: String, _ text: String) -> String? {
            configurationError { () throws(ConfigurationError) in try configuration.setting(key: key, to: text) }?.description
        }
        #expect(message("Cluster.PhiThreshold", "high") == "expected a number such as 8.0, found \"high\" (key Cluster.PhiThreshold)")
        #expect(
            message("Cluster.PhiThreshold", "1000")
                == "expected a float in the range 1.0 to 100.0, found \"1000\" (key Cluster.PhiThreshold)"
        )
        #expect(
            message("Cluster.MaxValueSize", "1MiB")
                == "expected a key that can change at run time, found one that counts only when the cluster starts (key Cluster.MaxValueSize)"
        )
        #expect(
            message("cluster.phithreshold", "9")
                == "expected a key of the cluster document, found unknown key \"cluster.phithreshold\"; did you mean Cluster.PhiThreshold?"
        )
        #expect(
            message("Cluster.MaxGossipSize", "9")
                == "expected a key that has a meaning here, found one that is accepted in files and ignored (key Cluster.MaxGossipSize); Frames have their own bounds"
        )
        #expect(message("Name", String(repeating: "x", count: 5_000))?.contains("run time") == true)
        #expect(try configuration.setting(key: "Cluster.MaxValueSize", to: "1MiB", isRunning: false).maxValueSize == 1 << 20)
    }

    @Test func everyEntryCanBeSetToItsOwnText() throws {
        for entry in ClusterConfiguration().entries {
            #expect(try ClusterConfiguration().setting(key: entry.key.path, to: entry.text, isRunning: false) == ClusterConfiguration())
        }
        for entry in NodeConfiguration().entries {
            #expect(try NodeConfiguration().setting(key: entry.key.path, to: entry.text, isRunning: false) == NodeConfiguration())
        }
    }

    @Test func renderingRoundTrips() throws {
        #expect(try ClusterConfiguration(parsing: ClusterConfiguration().rendered()) == ClusterConfiguration())
        #expect(try NodeConfiguration(parsing: NodeConfiguration().rendered()) == NodeConfiguration())
        var cluster = ClusterConfiguration(
            name: "a \"b\" \\ $c # // é",
            seedServers: [Endpoint(host: "::1", port: 1), Endpoint(host: "h", port: 2)]
        )
        cluster.gossipInterval = .microseconds(1_234_567)
        cluster.maxValueSize = 1_000_001
        cluster.maxKeySize = 1_000
        cluster.phiThreshold = 8.1
        cluster.networkType = .dynamic
        #expect(try ClusterConfiguration(parsing: cluster.rendered()) == cluster)
        #expect(cluster.rendered().contains("    GossipInterval = 1234567us\n"))
        var node = NodeConfiguration(name: "n", id: "1", port: 0)
        node.clientPort = 0
        node.advertiseAddresses = [Endpoint(host: "x", port: 9)]
        node.dataDirectory = "/a b"
        #expect(try NodeConfiguration(parsing: node.rendered()) == node)
    }

    @Test func valuesFromCodeAreValidated() throws {
        #expect(throws: Never.self) { try ClusterConfiguration().validate() }
        #expect(throws: Never.self) { try NodeConfiguration().validate() }
        var cluster = ClusterConfiguration()
        cluster.phiThreshold = .nan
        #expect(configurationError { () throws(ConfigurationError) in try cluster.validate() }?.key == "Cluster.PhiThreshold")
        cluster = ClusterConfiguration(name: "")
        #expect(configurationError { () throws(ConfigurationError) in try cluster.validate() }?.key == "Name")
        cluster = ClusterConfiguration(name: "x", seedServers: [Endpoint(host: "a,b", port: 1)])
        #expect(configurationError { () throws(ConfigurationError) in try cluster.validate() }?.key == "SeedServers")
        cluster = ClusterConfiguration(name: "x", seedServers: [Endpoint(host: "a", port: 0)])
        #expect(configurationError { () throws(ConfigurationError) in try cluster.validate() }?.key == "SeedServers")
        cluster = ClusterConfiguration()
        cluster.gossipInterval = .nanoseconds(1_000_000_001)
        #expect(configurationError { () throws(ConfigurationError) in try cluster.validate() }?.key == "Cluster.GossipInterval")
        cluster.gossipInterval = .seconds(Int64.max)
        #expect(configurationError { () throws(ConfigurationError) in try cluster.validate() }?.code == .outOfRange)
        #expect(configurationError { () throws(ConfigurationError) in try NodeConfiguration(name: "a\nb").validate() }?.key == "Name")
    }
}

@Suite struct QuantityTests {
    private func duration(_ text: String) -> Duration? {
        try? ClusterConfiguration().setting(key: "Cluster.PhiAcceptablePause", to: text).phiAcceptablePause
    }

    private func size(_ text: String) -> Int? {
        try? ClusterConfiguration().setting(key: "Cluster.MaxLinkQueueSize", to: text, isRunning: false).maxLinkQueueSize
    }

    @Test func durationsAreExactOrRefused() {
        #expect(duration("0") == .zero)
        #expect(duration("1us") == .microseconds(1))
        #expect(duration("0.5ms") == .microseconds(500))
        #expect(duration("1.000001s") == .microseconds(1_000_001))
        #expect(duration("0.1m") == .seconds(6))
        #expect(duration("0.125h") == .seconds(450))
        for text in [
            "", "s", "1", "1 s", "-1s", "1.s", ".5s", "0.5us", "1S", "1sec", "1s1", "1e3s", "99999999999999999999s", "9223372036854775807d",
            "١s",
        ] {
            #expect(duration(text) == nil, "\(text)")
        }
    }

    @Test func sizesAreExactOrRefused() {
        #expect(size("65536") == 65_536)
        #expect(size("64KiB") == 65_536)
        #expect(size("1.5MiB") == 1_572_864)
        #expect(size("1mb") == 1_000_000)
        #expect(size("0.00390625GiB") == 4 << 20)
        #expect(size("0.001GB") == 1_000_000)
        #expect(size("100000B") == 100_000)
        for text in ["", "KB", "1K", "64 KiB", "-1MiB", "1.00000001KB", "9223372036854775807TiB", "1PiB"] {
            #expect(size(text) == nil, "\(text)")
        }
    }
}
