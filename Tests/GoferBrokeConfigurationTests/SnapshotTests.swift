// SPDX-License-Identifier: Apache-2.0
// The language through swift-configuration: reader keys, types, precedence.

import Configuration
import GoferBrokeConfiguration
import SystemPackage
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A folder on the disk that is gone after the test.
private struct TestFolder: ~Copyable {
    let path: String
    private var files: [String] = []

    init() throws {
        var template = Array("/tmp/goferbroke-configuration-XXXXXX".utf8CString)
        path = try #require(mkdtemp(&template).map { String(cString: $0) })
    }

    mutating func write(_ name: String, _ text: String) throws -> String {
        let file = "\(path)/\(name)"
        let stream = try #require(fopen(file, "wb"))
        let bytes = Array(text.utf8)
        #expect(fwrite(bytes, 1, bytes.count, stream) == bytes.count)
        #expect(fclose(stream) == 0)
        files.append(file)
        return file
    }

    deinit {
        for file in files { unlink(file) }
        rmdir(path)
    }
}

@Suite struct SnapshotTests {
    private func snapshot(_ text: String, document: ConfigurationDocumentKind? = nil) throws -> GoferBrokeSnapshot {
        try GoferBrokeSnapshot(
            bytes: Array(text.utf8),
            providerName: "test",
            parsingOptions: .init(file: "test.conf", document: document, fileSystem: TestFiles())
        )
    }

    private func content(_ snapshot: GoferBrokeSnapshot, _ key: AbsoluteConfigKey, _ type: ConfigType) throws -> ConfigContent? {
        try snapshot.value(forKey: key, type: type).value?.content
    }

    @Test func readerKeysFoldFirstLettersAlone() throws {
        let snapshot = try snapshot("Cluster { GossipInterval = 500ms, PaWindowSize = 7 }")
        #expect(try content(snapshot, "cluster.gossipInterval", .string) == .string("500ms"))
        #expect(try content(snapshot, "cluster.paWindowSize", .int) == .int(7))
        #expect(try content(snapshot, "cluster.gossipinterval", .string) == nil)
        #expect(try content(snapshot, "cluster.GossipInterval", .string) == nil)
        #expect(try content(snapshot, "cluster.phiThreshold", .double) == nil)
    }

    @Test func valuesReadAsEveryTypeTheirTextHas() throws {
        let snapshot = try snapshot(
            "Name = shop\nSeedServers = [ {Host: a, Port: 1}, \"b:2\" ]\nCluster { EagerPush = off, PhiThreshold = \"9\", ProbeTimeout = 50 }"
        )
        #expect(try content(snapshot, "name", .string) == .string("shop"))
        #expect(try content(snapshot, "cluster.name", .string) == .string("shop"))
        #expect(try content(snapshot, "cluster.eagerPush", .bool) == .bool(false))
        #expect(try content(snapshot, "cluster.phiThreshold", .double) == .double(9))
        #expect(try content(snapshot, "cluster.phiThreshold", .int) == .int(9))
        #expect(try content(snapshot, "cluster.failureProbeTimeout", .string) == .string("50"))
        #expect(try content(snapshot, "seedServers", .stringArray) == .stringArray(["a:1", "b:2"]))
        #expect(try content(snapshot, "cluster.seedServers", .string) == .string("a:1,b:2"))
        #expect(try content(snapshot, "seedServers.0.host", .string) == .string("a"))
        #expect(try content(snapshot, "seedServers.0.port", .int) == .int(1))
        #expect(throws: ConfigurationError.self) { try snapshot.value(forKey: "name", type: .int) }
        #expect(throws: ConfigurationError.self) { try snapshot.value(forKey: "name", type: .bytes) }
        #expect(snapshot.givenKeys == ["Name", "SeedServers", "Cluster.EagerPush", "Cluster.PhiThreshold", "Cluster.FailureProbeTimeout"])
    }

    @Test func theDocumentIsToldByItsContentUnlessStated() throws {
        #expect(try content(snapshot("Port = 9"), "port", .int) == .int(9))
        #expect(throws: ConfigurationError.self) { try snapshot("Cluster { Port = 9 }") }
        #expect(throws: ConfigurationError.self) { try snapshot("Port = 9", document: .cluster) }
        #expect(try content(snapshot("Name = n", document: .node), "cluster.name", .string) == nil)
    }

    @Test func aFileProviderReadsTheLanguageWithIncludesAndErrorsThatNameTheFile() async throws {
        var folder = try TestFolder()
        _ = try folder.write("phi.conf", "PhiThreshold = 9.5\n")
        let path = try folder.write("cluster.conf", "Cluster {\n  GossipInterval = $INTERVAL\n  include \"phi.conf\"\n}\n")
        let provider = try await FileProvider<GoferBrokeSnapshot>(
            parsingOptions: .init(file: FilePath(path), environment: ["INTERVAL": "250ms"]),
            filePath: FilePath(path)
        )
        let variables = EnvironmentVariablesProvider(environmentVariables: ["GOFERBROKE_CLUSTER_PHI_THRESHOLD": "11"])
        let reader = ConfigReader(providers: [variables.prefixKeys(with: "goferbroke"), provider])
        #expect(reader.string(forKey: "cluster.gossipInterval") == "250ms")
        #expect(reader.double(forKey: "cluster.phiThreshold") == 11)
        let configuration = try await ClusterConfiguration(reading: reader)
        #expect(configuration.gossipInterval == .milliseconds(250))
        #expect(configuration.phiThreshold == 11)

        let wrong = try folder.write("wrong.conf", "Cluster {\n  GossipInterval = fast\n}\n")
        do {
            _ = try await FileProvider<GoferBrokeSnapshot>(parsingOptions: .init(file: FilePath(wrong)), filePath: FilePath(wrong))
            Issue.record("a wrong file was read")
        } catch let error as ConfigurationError {
            #expect(error.description == "\(wrong):2:20: expected a duration such as 500ms, found \"fast\" (key Cluster.GossipInterval)")
        }
    }

    @Test func defaultOptionsReadNoOtherFile() async throws {
        var folder = try TestFolder()
        let path = try folder.write("a.conf", "include \"a.conf\"\n")
        await #expect(throws: ConfigurationError.self) { try await FileProvider<GoferBrokeSnapshot>(filePath: FilePath(path)) }
    }

    @Test func everyKeyHasItsOwnVariableUnderWhichTheProviderFindsIt() throws {
        let keys = ConfigurationKeys.cluster + ConfigurationKeys.node
        #expect(Set(keys.map(\.environmentName)).count == keys.count)
        for key in keys {
            let provider = EnvironmentVariablesProvider(environmentVariables: [key.environmentName: "found"]).prefixKeys(with: "goferbroke")
            let found = try provider.value(forKey: AbsoluteConfigKey(ConfigKey(key.readerPath)), type: .string)
            #expect(found.value?.content == .string("found"), "\(key.environmentName)")
        }
        #expect(ConfigurationKeys.key("Cluster.GossipInterval", in: .cluster)?.environmentName == "GOFERBROKE_CLUSTER_GOSSIP_INTERVAL")
        #expect(ConfigurationKeys.key("Name", in: .cluster)?.environmentName == "GOFERBROKE_CLUSTER_NAME")
        #expect(ConfigurationKeys.key("Name", in: .node)?.environmentName == "GOFERBROKE_NAME")
    }
}

@Suite struct PrecedenceTests {
    private let file = "Cluster { PhiThreshold = 9, GossipInterval = 2s, PaWindowSize = 20 }\nName = file"
    private let environment = [
        "GOFERBROKE_CLUSTER_PHI_THRESHOLD": "10", "GOFERBROKE_CLUSTER_GOSSIP_INTERVAL": "3s", "GOFERBROKE_NAME": "node",
    ]
    private let flags = ["Cluster.PhiThreshold": "11"]

    private func layers(
        flags: [String: String] = [:],
        environment: [String: String] = [:],
        file: String? = nil
    ) throws -> ConfigurationLayers<ClusterConfiguration> {
        try ConfigurationLayers(
            flags: flags,
            environment: environment,
            file: file == nil ? nil : "cluster.conf",
            fileSystem: TestFiles(["cluster.conf": file ?? ""])
        )
    }

    @Test func eachLayerIsOverruledByTheOneAboveIt() async throws {
        let levels: [(layers: ConfigurationLayers<ClusterConfiguration>, phi: Double, interval: Duration, window: Int)] = [
            (try layers(), 8, .seconds(1), 100),
            (try layers(file: file), 9, .seconds(2), 20),
            (try layers(environment: environment), 10, .seconds(3), 100),
            (try layers(environment: environment, file: file), 10, .seconds(3), 20),
            (try layers(flags: flags), 11, .seconds(1), 100),
            (try layers(flags: flags, file: file), 11, .seconds(2), 20),
            (try layers(flags: flags, environment: environment, file: file), 11, .seconds(3), 20),
        ]
        for level in levels {
            let resolved = try level.layers.resolved().configuration
            #expect(resolved.phiThreshold == level.phi)
            #expect(resolved.gossipInterval == level.interval)
            #expect(resolved.phiWindowSize == level.window)
            #expect(try await ClusterConfiguration(reading: level.layers.reader) == resolved)
        }
    }

    @Test func everyKeyCanBeSetAtEveryLayer() throws {
        func check<Root: KeyedConfiguration>(_ type: Root.Type) throws {
            for entry in Root().entries {
                let text = otherText(for: entry)
                let flag = try ConfigurationLayers<Root>(flags: [entry.key.path: text]).resolved()
                let variable = try ConfigurationLayers<Root>(environment: [entry.key.environmentName: text]).resolved()
                let document = "\(entry.key.path) = \"\(text)\""
                let file = try ConfigurationLayers<Root>(file: "f", fileSystem: TestFiles(["f": document])).resolved()
                #expect(try flag.configuration.value(forKey: entry.key.path) == text)
                #expect(flag == variable)
                #expect(flag.configuration == file.configuration)
                #expect(flag.givenKeys == [entry.key.path])
            }
        }
        try check(ClusterConfiguration.self)
        try check(NodeConfiguration.self)
    }

    /// A valid value, in canonical form, that is not the default where the type has two.
    private func otherText(for entry: ConfigurationEntry) -> String {
        switch entry.key.type {
        case .boolean: return entry.text == "true" ? "false" : "true"
        case .booleanFixedOff, .ignored: return "false"
        case .integer(let range): return "\(range.upperBound)"
        case .float(let range): return "\(range.upperBound)"
        case .duration: return entry.key.path == "Cluster.SystemFactsInterval" ? "90s" : "59s"
        case .size(let range): return range.upperBound == 1 << 30 ? "1GiB" : "\(range.lowerBound + 6)"
        case .name, .host: return "other"
        case .port: return "4242"
        case .choice(let words): return words.last ?? ""
        case .endpoints: return "a:1,[::1]:2"
        }
    }

    @Test func aNodesNameIsNotTheClustersName() throws {
        let environment = ["GOFERBROKE_NAME": "n1", "GOFERBROKE_CLUSTER_NAME": "shop"]
        #expect(try ConfigurationLayers<NodeConfiguration>(environment: environment).resolved().configuration.name == "n1")
        #expect(try ConfigurationLayers<ClusterConfiguration>(environment: environment).resolved().configuration.name == "shop")
        #expect(try layers(environment: self.environment, file: file).resolved().configuration.name == "file")
    }

    @Test func anAliasKeepsItsLayer() throws {
        let layers = try layers(
            environment: ["GOFERBROKE_CLUSTER_PROBE_TIMEOUT": "700ms"],
            file: "Cluster { FailureProbeTimeout = 600ms }"
        )
        #expect(try layers.resolved().configuration.probeTimeout == .milliseconds(700))
        let flags = try self.layers(flags: ["Cluster.ProbeTimeout": "800"], file: "Cluster { ProbeTimeout = 600ms }")
        #expect(try flags.resolved().configuration.probeTimeout == .milliseconds(800))
    }

    @Test func errorsNameTheLayer() throws {
        func message(_ body: () throws(ConfigurationError) -> ParsedConfiguration<ClusterConfiguration>) -> String? {
            configurationError(body)?.description
        }
        #expect(
            message { () throws(ConfigurationError) in
                try ConfigurationLayers<ClusterConfiguration>(environment: ["GOFERBROKE_CLUSTER_PHI_THRESHOLD": "high"]).resolved()
            }
                == "environment variable GOFERBROKE_CLUSTER_PHI_THRESHOLD: expected a number such as 8.0, found \"high\" (key Cluster.PhiThreshold)"
        )
        #expect(
            message { () throws(ConfigurationError) in
                try ConfigurationLayers<ClusterConfiguration>(flags: ["Cluster.PhiThreshold": "high"]).resolved()
            } == "flag: expected a number such as 8.0, found \"high\" (key Cluster.PhiThreshold)"
        )
        #expect(
            message { () throws(ConfigurationError) in
                try ConfigurationLayers<ClusterConfiguration>(file: "gone.conf", fileSystem: TestFiles()).resolved()
            } == "gone.conf: expected a file that can be read, found No such file or directory"
        )
        #expect(
            message { () throws(ConfigurationError) in
                try ConfigurationLayers<ClusterConfiguration>(flags: ["Cluster.PhiTreshold": "9"]).resolved()
            }?.hasSuffix("did you mean Cluster.PhiThreshold?") == true
        )
    }

    @Test func warningsOfTheFileAreKept() throws {
        let parsed = try layers(file: "Cluster { MaxGossipSize = 1 }").resolved()
        #expect(parsed.warnings == ["cluster.conf: these keys are accepted but mean nothing here: Cluster.MaxGossipSize"])
    }

    @Test func mistypedVariablesAreToldOf() {
        let environment = [
            "GOFERBROKE_CLUSTER_GOSIP_INTERVAL": "1s", "GOFERBROKE_PORT": "1", "HOME": "/", "GOFERBROKE_SOMETHING_ELSE": "",
            "GOFERBROKE_LIBRARY": "/l",
        ]
        #expect(
            ConfigurationEnvironment.warnings(environment) == [
                "the environment variable GOFERBROKE_CLUSTER_GOSIP_INTERVAL sets no key; did you mean GOFERBROKE_CLUSTER_GOSSIP_INTERVAL?",
                "the environment variable GOFERBROKE_SOMETHING_ELSE sets no key",
            ]
        )
    }

    @Test func providersMayHoldOtherTypesThanStrings() async throws {
        let values: [AbsoluteConfigKey: ConfigValue] = [
            "cluster.phiThreshold": 9.5,
            "cluster.paWindowSize": 50,
            "cluster.eagerPush": false,
            "cluster.seedServers": .init(.stringArray(["a:1", "b:2"]), isSecret: false),
        ]
        let configuration = try await ClusterConfiguration(reading: ConfigReader(provider: InMemoryProvider(values: values)))
        #expect(configuration.phiThreshold == 9.5)
        #expect(configuration.phiWindowSize == 50)
        #expect(!configuration.isEagerPushOn)
        #expect(configuration.seedServers.count == 2)
    }

    @Test func aValueThatNoTypeFitsIsAnError() async throws {
        let values: [AbsoluteConfigKey: ConfigValue] = ["cluster.phiThreshold": .init(.bytes([1]), isSecret: false)]
        await #expect(throws: ConfigurationError.self) {
            try await ClusterConfiguration(reading: ConfigReader(provider: InMemoryProvider(values: values)))
        }
    }
}
