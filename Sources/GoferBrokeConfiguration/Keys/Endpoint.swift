// SPDX-License-Identifier: Apache-2.0
// A host and a port, as seeds and advertised addresses are written.

/// A host and a port.
public struct Endpoint: Sendable, Hashable, CustomStringConvertible {
    /// A host name or an IP address, without brackets.
    public var host: String
    /// The TCP port, 1 to 65535.
    public var port: UInt16

    /// Creates an endpoint from its parts, unchecked: configurations check theirs as a whole.
    public init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// Reads `HOST:PORT`, with brackets around an IPv6 address: `[::1]:8081`. Nil if the text is anything else.
    public init?(_ text: String) {
        // By scalars: a bracket, colon or comma with a combining mark behind it is still one.
        let scalars = text.unicodeScalars
        guard let colon = scalars.lastIndex(of: ":") else { return nil }
        var host = scalars[..<colon]
        if host.first == "[", host.last == "]" {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        guard Endpoint.isHost(String(host)), let port = Endpoint.port(String(scalars[scalars.index(after: colon)...])), port > 0 else {
            return nil
        }
        self.init(host: String(host), port: port)
    }

    /// `host:port`, an IPv6 address in brackets.
    public var description: String {
        host.unicodeScalars.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    static let hostSizeMax = 255

    /// Whether a text can be a host: 1 to 255 bytes, nothing that blanks, lists or brackets would break.
    static func isHost(_ text: String) -> Bool {
        (1...hostSizeMax).contains(text.utf8.count)
            && text.unicodeScalars.allSatisfy { scalar in
                !scalar.isForbidden && !scalar.properties.isWhitespace && !"[]{},/\"'".unicodeScalars.contains(scalar)
            }
    }

    static func port(_ text: String) -> UInt16? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return UInt16(text)
    }
}
