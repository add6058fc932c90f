// SPDX-License-Identifier: Apache-2.0
// What the two documents mean together, and bounds that have to be those of the core.

import GoferBrokeConfiguration
import Testing

@Suite struct NodeInClusterTests {
    private func refusal(
        network: ClusterNetworkType = .undefined,
        cluster: ClusterNetworkType,
        host: String,
        advertised: [String] = []
    ) -> ConfigurationError? {
        var shared = ClusterConfiguration()
        shared.networkType = cluster
        var node = NodeConfiguration(name: "n", host: host)
        node.networkType = network
        node.advertiseAddresses = advertised.map { Endpoint(host: $0, port: 1) }
        do throws(ConfigurationError) {
            try node.validate(in: shared)
            return nil
        } catch {
            return error
        }
    }

    @Test func aLocalNodeWantsLoopback() {
        for host in ["localhost", "127.0.0.1", "127.9.9.9", "::1", "0:0:0:0:0:0:0:1", "a.localhost", "web-1"] {
            #expect(refusal(cluster: .local, host: host) == nil, "\(host)")
            #expect(refusal(cluster: .undefined, host: host) == nil, "\(host)")
        }
        for host in ["10.0.0.7", "0.0.0.0", "::", "2001:db8::1", "::1:1"] {
            let error = refusal(cluster: .local, host: host)
            #expect(error?.key == "Host", "\(host)")
            #expect(error?.description.contains("LOCAL") == true)
        }
        #expect(refusal(cluster: .local, host: "localhost", advertised: ["10.0.0.7"])?.key == "AdvertiseAddresses")
        #expect(refusal(network: .local, cluster: .dynamic, host: "10.0.0.7")?.key == "Host")
    }

    @Test func othersWantAnAddressThatCanBeDialled() {
        for type in [ClusterNetworkType.private, .public] {
            #expect(refusal(cluster: type, host: "localhost")?.key == "Host")
            #expect(refusal(cluster: type, host: "10.0.0.7") == nil)
            #expect(refusal(cluster: type, host: "0.0.0.0") == nil)
            #expect(refusal(cluster: type, host: "localhost", advertised: ["node.example"]) == nil)
            #expect(refusal(cluster: type, host: "10.0.0.7", advertised: ["::1"])?.key == "AdvertiseAddresses")
        }
        for host in ["localhost", "10.0.0.7", "0.0.0.0"] {
            #expect(refusal(cluster: .dynamic, host: host) == nil)
        }
    }

    @Test func onlyADynamicClusterMixesNetworks() {
        #expect(refusal(network: .public, cluster: .local, host: "localhost")?.key == "NetworkType")
        #expect(refusal(network: .private, cluster: .public, host: "10.0.0.7")?.key == "NetworkType")
        #expect(refusal(network: .private, cluster: .private, host: "10.0.0.7") == nil)
        #expect(refusal(network: .private, cluster: .dynamic, host: "10.0.0.7") == nil)
    }

    @Test func seedsOfBothDocumentsHaveOneBound() {
        let half = (1...33).map { Endpoint(host: "h", port: $0) }
        var cluster = ClusterConfiguration(name: "c", seedServers: half)
        var node = NodeConfiguration(name: "n")
        node.seeds = half
        #expect(node.seeds(in: cluster).count == 66)
        let error = configurationError { () throws(ConfigurationError) in try node.validate(in: cluster) }
        #expect(error?.description == "expected at most 64 addresses in Seeds and SeedServers together, found 66 (key Seeds)")
        cluster.seedServers.removeLast(2)
        #expect(throws: Never.self) { try node.validate(in: cluster) }
    }

    @Test func aKeyOfTheOtherDocumentIsCalledThat() {
        let inNode = readError(NodeConfiguration.self, "Name = a\nCluster { PhiThreshold = 9 }")
        #expect(inNode?.description.hasSuffix("it belongs to the cluster document") == true)
        #expect(inNode?.place == "test.conf:2:1")
        let inCluster = readError(ClusterConfiguration.self, "Internal { LogOutput = json }")
        #expect(inCluster?.description.hasSuffix("it belongs to the node document") == true)
        #expect(readError(NodeConfiguration.self, "SeedServers = []")?.hint == "it belongs to the cluster document")
        #expect(readError(ClusterConfiguration.self, "Cluster.LogLevel = info")?.hint == nil, "no such key in either")
    }

    @Test func whatIsEachNodesOwnIsNotReplicated() throws {
        let own = ConfigurationKeys.cluster.filter { !$0.isMeaningless && $0.aliasOf == nil && !$0.isReplicated }.map(\.path)
        #expect(own == ["Name", "SeedServers", "Cluster.MaxNumberOfNodes", "Cluster.MaxConnections"])
        var file = ClusterConfiguration(name: "c", seedServers: [Endpoint(host: "a", port: 1)])
        file.maxConnections = 50
        file.maxValueSize = 1_024
        var joiner = ReplicatedConfiguration(
            selfName: "n",
            file: ParsedConfiguration(file, givenKeys: ["SeedServers", "Cluster.MaxConnections", "Cluster.MaxValueSize"])
        )
        _ = joiner.foundCluster()
        #expect(joiner.configuration.maxConnections == 50, "as the node was set up")
        #expect(joiner.configuration.maxValueSize == ClusterConfiguration().maxValueSize, "the cluster's")
        let error = configurationError { () throws(ConfigurationError) in _ = try joiner.change("SeedServers", to: "b:1") }
        #expect(error?.code == .fixedKey)
        #expect(error?.description.contains("SIGHUP") == true)
    }

    // MARK: Bounds of the core

    /// The bounds of csrc/platform/limits.h that are numbers, by name.
    private func coreLimits() throws -> [String: Int] {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let bytes = try LocalConfigurationFileSystem().contents(of: "/\(root)/csrc/platform/limits.h", limit: 1 << 20)
        var limits: [String: Int] = [:]
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") where line.hasPrefix("#define GB_") {
            let words = line.split { " ()*".contains($0) }.dropFirst()
            guard let name = words.first, let number = words.dropFirst().first.flatMap({ Int($0) }) else { continue }
            let unit = ["GB_KIB": 1 << 10, "GB_MIB": 1 << 20][words.last.map(String.init) ?? ""] ?? 1
            limits[String(name)] = number * unit
        }
        return limits
    }

    @Test func noRangeGoesBeyondTheCore() throws {
        let limits = try coreLimits()
        func bound(_ path: String, _ document: ConfigurationDocumentKind = .cluster) -> Int? {
            switch ConfigurationKeys.key(path, in: document)?.type {
            case .integer(let range), .size(let range), .name(let range): return range.upperBound
            case .endpoints(let count): return count
            default: return nil
            }
        }
        for (path, name) in [
            ("Name", "GB_NAME_SIZE_MAX"), ("SeedServers", "GB_SEEDS_MAX"), ("Cluster.MaxNumberOfNodes", "GB_PARTICIPANTS_MAX"),
            ("Cluster.MaxKeysPerParticipant", "GB_KEYS_PER_PARTICIPANT_MAX"), ("Cluster.MaxKeySize", "GB_KEY_SIZE_MAX"),
            ("Cluster.MaxKeyGroupSize", "GB_GROUP_SIZE_MAX"), ("Cluster.MaxValueSize", "GB_VALUE_SIZE_MAX"),
            ("Cluster.MaxLinkQueueSize", "GB_LINK_QUEUE_MAX"), ("Cluster.MaxConnections", "GB_LINKS_MAX"),
        ] {
            let limit = try #require(limits[name], "\(name) stands in limits.h")
            #expect(bound(path) == limit, "\(path) and \(name)")
        }
        for (path, name) in [("Name", "GB_NAME_SIZE_MAX"), ("Seeds", "GB_SEEDS_MAX"), ("AdvertiseAddresses", "GB_ADDRESSES_MAX")] {
            #expect(bound(path, .node) == limits[name], "\(path) and \(name)")
        }
        let bounded = ConfigurationKeys.cluster.filter { $0.path.hasPrefix("Cluster.Max") && !$0.isMeaningless }.map(\.path)
        #expect(bounded.count == 7, "a bound that is new belongs into the list above")
        #expect(NodeConfiguration.seedCountMax == limits["GB_SEEDS_MAX"])
    }
}
