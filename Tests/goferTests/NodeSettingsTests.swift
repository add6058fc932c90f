// SPDX-License-Identifier: Apache-2.0
// Flags, environment, files and defaults of `gofer node`.

import ArgumentParser
import GoferBroke
import GoferBrokeConfiguration
import Logging
import Testing

@testable import gofer

@Suite("Settings of gofer node")
struct NodeSettingsTests {
    private func command(_ arguments: String...) throws -> NodeFlags {
        try NodeCommand.parse(arguments).flags
    }

    @Test func everyFlagReachesItsKey() throws {
        let flags = try self.command(
            "--name",
            "test",
            "--id",
            "1",
            "--cluster-network",
            "PRIVATE",
            "--node-ip",
            "10.0.0.7",
            "--node-port",
            "8082",
            "--seed",
            "a:1",
            "--seed",
            "[::1]:2",
            "--client-port",
            "9081",
            "--client-socket",
            "/run/x.sock",
            "--cluster",
            "shop",
            "--data-directory",
            "/var/lib/x",
            "--log-level",
            "debug"
        )
        let settings = try NodeSettings.load(flags, environment: [:])
        let node = settings.node.configuration
        #expect(node.nodeName == "test-1")
        #expect(node.host == "10.0.0.7")
        #expect(node.port == 8_082)
        #expect(node.seeds == [Endpoint(host: "a", port: 1), Endpoint(host: "::1", port: 2)])
        #expect(node.clientPort == 9_081)
        #expect(node.clientSocket == .path("/run/x.sock"))
        #expect(node.dataDirectory == "/var/lib/x")
        #expect(node.logLevel == .debug)
        #expect(settings.cluster.configuration.name == "shop")
        #expect(settings.cluster.configuration.networkType == .private)
    }

    @Test func withoutFlagsTheDefaultsHold() throws {
        let settings = try NodeSettings.load(try self.command(), environment: [:])
        #expect(settings.node.configuration == NodeConfiguration())
        #expect(settings.cluster.configuration == ClusterConfiguration())
        #expect(settings.node.givenKeys.isEmpty)
        #expect(settings.warnings.isEmpty)
    }

    @Test func flagWinsOverEnvironmentOverFileOverDefault() throws {
        let folder = try TemporaryFolder()
        let file = try folder.file("node.conf", "Name = \"of-file\"\nId = \"of-file\"\nPort = 1001\nLogLevel = error\n")
        let cluster = try folder.file("cluster.conf", "Name = \"of-file\"\nCluster { PhiThreshold = 5, MaxKeySize = 100 }\n")
        var flags = try self.command("--config", file, "--cluster-config", cluster, "--name", "of-flag")
        let environment = ["GOFERBROKE_ID": "of-env", "GOFERBROKE_NAME": "of-env", "GOFERBROKE_CLUSTER_PHI_THRESHOLD": "6"]
        var settings = try NodeSettings.load(flags, environment: environment)
        #expect(settings.node.configuration.name == "of-flag")
        #expect(settings.node.configuration.id == "of-env")
        #expect(settings.node.configuration.port == 1_001)
        #expect(settings.node.configuration.host == "localhost")
        #expect(settings.cluster.configuration.name == "of-file")
        #expect(settings.cluster.configuration.phiThreshold == 6)
        #expect(settings.cluster.configuration.maxKeySize == 100)
        flags.cluster = "of-flag"
        settings = try NodeSettings.load(flags, environment: environment)
        #expect(settings.cluster.configuration.name == "of-flag")
    }

    @Test func localClusterHasItsDefaultSeedUnlessOneIsNamed() throws {
        let local = try NodeSettings.load(try self.command("--cluster-network", "LOCAL"), environment: [:])
        #expect(local.seeds == [Endpoint(host: "localhost", port: 8_081)])
        let named = try NodeSettings.load(try self.command("--cluster-network", "LOCAL", "--seed", "localhost:9"), environment: [:])
        #expect(named.seeds == [Endpoint(host: "localhost", port: 9)])
        let other = try NodeSettings.load(try self.command("--cluster-network", "PUBLIC"), environment: [:])
        #expect(other.seeds.isEmpty)
    }

    @Test func wrongFlagIsUsageAndNamesItself() throws {
        for (arguments, word) in [
            (["--node-port", "70000"], "--node-port"), (["--seed", "nowhere"], "--seed"), (["--log-level", "loud"], "--log-level"),
            (["--cluster-network", "MOON"], "--cluster-network"), (["--cluster", "a\u{1}b"], "--cluster"),
        ] {
            let flags = try NodeCommand.parse(arguments).flags
            let failure = #expect(throws: CommandFailure.self) { try NodeSettings.load(flags, environment: [:]) }
            #expect(failure?.status == .usage)
            #expect(failure?.failure.message.hasPrefix(word) == true)
        }
    }

    @Test func wrongFileIsConfigurationAndNamesThePlace() throws {
        let folder = try TemporaryFolder()
        let file = try folder.file("node.conf", "\n  Prot = 1\n")
        let flags = try self.command("--config", file)
        let failure = #expect(throws: CommandFailure.self) { try NodeSettings.load(flags, environment: [:]) }
        #expect(failure?.status == .configuration)
        #expect(failure?.failure.message.hasPrefix("\(file):2:3:") == true)
        #expect(failure?.failure.message.contains("did you mean Port?") == true)
    }

    @Test func unknownVariableIsToldOf() throws {
        let settings = try NodeSettings.load(NodeFlags(), environment: ["GOFERBROKE_PROT": "1", "HOME": "/"])
        #expect(settings.warnings.count == 1)
        #expect(settings.warnings.first?.contains("GOFERBROKE_PORT") == true)
    }

    @Test func socketGoesToTheFolderUnlessConfigured() throws {
        let folder = SocketFolder(path: "/run/user/7/goferbroke", userID: 7)
        var flags = NodeFlags(name: "test", id: "1", cluster: "shop")
        let automatic = try NodeSettings.load(flags, environment: [:]).configuration(folder: folder)
        #expect(automatic.clientSocketPath == "/run/user/7/goferbroke/shop.test-1.sock")
        flags.clientSocket = "off"
        let off = try NodeSettings.load(flags, environment: [:]).configuration(folder: folder)
        #expect(off.clientSocketPath == nil)
        #expect(off.node.clientSocket == .off)
    }

    @Test func reloadSaysWhatCountsWhen() throws {
        let old = try NodeSettings.load(NodeFlags(name: "a"), environment: [:])
        let environment = [
            "GOFERBROKE_LOG_LEVEL": "debug", "GOFERBROKE_SEEDS": "h:1", "GOFERBROKE_PORT": "9", "GOFERBROKE_CLUSTER_PHI_THRESHOLD": "9",
        ]
        let reload = SettingsReload(from: old, to: try NodeSettings.load(NodeFlags(name: "a"), environment: environment))
        #expect(Set(reload.applied.map(\.key.path)) == ["LogLevel", "Seeds"])
        #expect(reload.postponed.map(\.key.path) == ["Port"])
        #expect(reload.clusters.map(\.key.path) == ["Cluster.PhiThreshold"])
        #expect(SettingsReload(from: old, to: old).applied.isEmpty)
    }

    @Test func aNameInUseOnThisMachineIsCalledSo() async throws {
        let parent = try TemporaryFolder()
        let folder = SocketFolder(path: "\(parent.path)/goferbroke")
        parent.expect(folder.path)
        let settings = try NodeSettings.load(try self.command("--name", "n1", "--cluster", "shop", "--node-port", "0"), environment: [:])
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let node = try NodeCommand.makeNode(settings, folder: folder, logger: logger)
        let failure = #expect(throws: CommandFailure.self) { try NodeCommand.makeNode(settings, folder: folder, logger: logger) }
        #expect(failure?.failure.code.rawValue == "name_in_use" && failure?.status == .failed)
        let sentence = "start node n1: the name is in use in the cluster \"shop\" on this machine: a node called so answers on "
        #expect(failure?.failure.message == sentence + "\(folder.path)/shop.n1.sock")
        await node.shutdown()
    }
}
