// SPDX-License-Identifier: Apache-2.0
// What the two documents mean together: seeds, and whether a node's addresses fit its network.

extension NodeConfiguration {
    /// The addresses to try in order to join: those of this document, then those of the cluster's. A node of a local cluster for
    /// which none is named tries `localhost:8081`.
    public func seeds(in cluster: ClusterConfiguration) -> [Endpoint] {
        let named = seeds + cluster.seedServers
        return named.isEmpty ? cluster.effectiveSeedServers : named
    }

    /// The network this node is in: its own word, else the cluster's.
    public func effectiveNetworkType(in cluster: ClusterConfiguration) -> ClusterNetworkType {
        networkType == .undefined ? cluster.effectiveNetworkType : networkType
    }

    /// Checks what neither document can alone: that there are not too many seeds, and that network and addresses fit together.
    ///
    /// Names other than `localhost` are not looked up, so they fit any network.
    public func validate(in cluster: ClusterConfiguration) throws(ConfigurationError) {
        let seedCount = seeds(in: cluster).count
        guard seedCount <= NodeConfiguration.seedCountMax else {
            throw ConfigurationError(
                .outOfRange,
                key: "Seeds",
                expected: "at most \(NodeConfiguration.seedCountMax) addresses in Seeds and SeedServers together",
                found: "\(seedCount)"
            )
        }
        let clusterType = cluster.effectiveNetworkType
        guard networkType == .undefined || networkType == clusterType || clusterType == .dynamic else {
            throw ConfigurationError(
                .outOfRange,
                key: "NetworkType",
                expected: "UNDEFINED or \(clusterType.rawValue), the cluster's",
                found: networkType.rawValue,
                hint: "only a cluster with ClusterNetworkType DYNAMIC mixes networks"
            )
        }
        switch effectiveNetworkType(in: cluster) {
        case .local: try checkLocal()
        case .private, .public: try checkReachable(effectiveNetworkType(in: cluster))
        case .dynamic, .undefined: break
        }
    }

    private func checkLocal() throws(ConfigurationError) {
        let hosts = [("Host", host)] + advertiseAddresses.map { ("AdvertiseAddresses", $0.host) }
        for (key, host) in hosts where Endpoint.isNumeric(host) && !Endpoint.isLoopback(host) {
            throw ConfigurationError(
                .outOfRange,
                key: key,
                expected: "a loopback address such as 127.0.0.1, as the network is LOCAL",
                found: host.quotedForError,
                hint: "set ClusterNetworkType to PRIVATE, PUBLIC or DYNAMIC for nodes on several machines"
            )
        }
    }

    private func checkReachable(_ type: ClusterNetworkType) throws(ConfigurationError) {
        let told = advertiseAddresses.isEmpty ? [("Host", host)] : advertiseAddresses.map { ("AdvertiseAddresses", $0.host) }
        for (key, host) in told where Endpoint.isLoopback(host) {
            throw ConfigurationError(
                .outOfRange,
                key: key,
                expected: "an address that other machines can dial, as the network is \(type.rawValue)",
                found: host.quotedForError,
                hint: "set Host, or AdvertiseAddresses where others dial another address; ClusterNetworkType LOCAL is for one machine"
            )
        }
    }
}

extension Endpoint {
    /// Whether the host is this machine's loopback: `localhost` and names below it, 127.0.0.0/8, ::1.
    public var isLoopback: Bool { Endpoint.isLoopback(host) }

    static func isLoopback(_ host: String) -> Bool {
        let name = host.lowercased()
        if name == "localhost" || name.hasSuffix(".localhost") { return true }
        if let bytes = ipv4(host) { return bytes[0] == 127 }
        guard host.contains(":") else { return false }
        // ::1 in any way of writing it: zeros, and a one at the end.
        let groups = host.split(separator: ":", omittingEmptySubsequences: true)
        guard let last = groups.last, Int(last, radix: 16) == 1 else { return false }
        return groups.dropLast().allSatisfy { Int($0, radix: 16) == 0 } && (groups.count == 8 || host.contains("::"))
    }

    /// Whether the host is an address and not a name.
    static func isNumeric(_ host: String) -> Bool {
        host.unicodeScalars.contains(":") || ipv4(host) != nil
    }

    private static func ipv4(_ host: String) -> [UInt8]? {
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        let bytes = parts.compactMap { $0.utf8.allSatisfy { (0x30...0x39).contains($0) } ? UInt8($0) : nil }
        return parts.count == 4 && bytes.count == 4 ? bytes : nil
    }
}
