// SPDX-License-Identifier: Apache-2.0
// What a client asks, as JSON. docs/CLIENT.md describes every request.

/// What a client can ask for.
package enum ClientVerb: String, Codable, Sendable, Hashable, CaseIterable {
    /// Who is in the cluster.
    case members
    /// One value.
    case get
    /// Set an own value of the node.
    case set
    /// Delete an own value of the node.
    case delete
    /// A stream of changes of values.
    case watch
    /// A stream of what happens in the cluster.
    case events
    /// The node and its counters.
    case info
    /// What the node knows about a member, and why.
    case explain
    /// The cluster configuration in force.
    case configShow = "config_show"
    /// Change the cluster configuration for everyone.
    case configSet = "config_set"
    /// Leave the cluster and stop.
    case leave

    /// Whether the answer is a stream.
    package var isStream: Bool { self == .watch || self == .events }

    /// The fields that a request may have beside `verb`, and whether each must be there.
    fileprivate var fields: [(name: String, isRequired: Bool)] {
        switch self {
        case .members, .events, .info, .configShow, .leave: return []
        case .get: return [("node", false), ("group", true), ("key", true)]
        case .set: return [("group", true), ("key", true), ("type", false), ("value", true), ("ttl_ms", false)]
        case .delete: return [("group", true), ("key", true)]
        case .watch: return [("group", false), ("key", false)]
        case .explain: return [("node", true)]
        case .configSet: return [("key", true), ("value", true)]
        }
    }
}

/// A request of a client. Made by the functions below; what comes from a client is checked whole.
package struct ClientRequestMessage: Codable, Sendable, Hashable {
    /// What is asked for.
    package var verb: ClientVerb
    /// Whose value, or about whom; nil means the node that answers.
    package var node: String?
    /// A key group.
    package var group: ClientLabel?
    /// A key, of a delta or of the configuration.
    package var key: ClientLabel?
    /// The type of the value; nil means `string`.
    package var type: String?
    /// A value.
    package var value: ClientValue?
    /// How long a value lives.
    package var ttlMilliseconds: UInt64?

    /// Makes a request.
    package init(
        _ verb: ClientVerb,
        node: String? = nil,
        group: DeltaLabel? = nil,
        key: DeltaLabel? = nil,
        type: DeltaValueType? = nil,
        value: ClientValue? = nil,
        ttlMilliseconds: UInt64? = nil
    ) {
        self.verb = verb
        self.node = node
        self.group = group.map(ClientLabel.init)
        self.key = key.map(ClientLabel.init)
        self.type = type?.description
        self.value = value
        self.ttlMilliseconds = ttlMilliseconds
    }

    private struct Field: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) {
            self.stringValue = stringValue
        }

        init?(intValue: Int) {
            return nil
        }
    }

    /// Reads a request. Unknown verbs, unknown fields and missing ones are refused by name.
    package init(from decoder: any Decoder) throws {
        let container: KeyedDecodingContainer<Field>
        do {
            container = try decoder.container(keyedBy: Field.self)
        } catch {
            throw ClientFailure(.badRequest, "a request must be a JSON object")
        }
        self.verb = try ClientRequestMessage.verb(container)
        let known = self.verb.fields
        for name in container.allKeys.map(\.stringValue).sorted() where name != "verb" && !known.contains(where: { $0.name == name }) {
            let list = known.isEmpty ? "takes no fields" : "takes \(known.map(\.name).joined(separator: ", "))"
            throw ClientFailure(.badRequest, "unknown field \(name.clientQuoted); \(self.verb.rawValue) \(list)")
        }
        for (name, isRequired) in known where isRequired && !container.contains(Field(stringValue: name)) {
            throw ClientFailure(.badRequest, "\(self.verb.rawValue) needs the field \"\(name)\"")
        }
        self.node = try container.field("node", "a string")
        self.group = try container.field("group", "a string or {\"base64\": …}")
        self.key = try container.field("key", "a string or {\"base64\": …}")
        self.type = try container.field("type", "a string")
        self.value = try container.field("value", "a string, a number, true, false or {\"base64\": …}")
        self.ttlMilliseconds = try container.field("ttl_ms", "a number of milliseconds")
        if self.verb == .watch, self.key != nil, self.group == nil {
            throw ClientFailure(.badRequest, "watch takes a key only together with a group")
        }
    }

    private static func verb(_ container: KeyedDecodingContainer<Field>) throws(ClientFailure) -> ClientVerb {
        let list = ClientVerb.allCases.map(\.rawValue).joined(separator: ", ")
        guard let word = try? container.decode(String.self, forKey: Field(stringValue: "verb")) else {
            throw ClientFailure(.badRequest, "a request needs the field \"verb\", one of \(list)")
        }
        guard let verb = ClientVerb(rawValue: word) else {
            throw ClientFailure(.unknownVerb, "unknown verb \(word.clientQuoted); there are \(list)")
        }
        return verb
    }

    /// Writes a request; what is nil is left out.
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Field.self)
        try container.encode(self.verb.rawValue, forKey: Field(stringValue: "verb"))
        try container.encodeIfPresent(self.node, forKey: Field(stringValue: "node"))
        try container.encodeIfPresent(self.group, forKey: Field(stringValue: "group"))
        try container.encodeIfPresent(self.key, forKey: Field(stringValue: "key"))
        try container.encodeIfPresent(self.type, forKey: Field(stringValue: "type"))
        try container.encodeIfPresent(self.value, forKey: Field(stringValue: "value"))
        try container.encodeIfPresent(self.ttlMilliseconds, forKey: Field(stringValue: "ttl_ms"))
    }

    /// The type of the value, by its name.
    package func valueType() throws(ClientFailure) -> DeltaValueType {
        guard let type else { return .string }
        guard let known = DeltaValueType(name: type) else {
            let list = DeltaValueType.all.map(\.description).joined(separator: ", ")
            throw ClientFailure(.badRequest, "unknown type \(type.clientQuoted); there are \(list)")
        }
        return known
    }
}

extension KeyedDecodingContainer {
    /// A field that may be absent, or an error that names it.
    fileprivate func field<Value: Decodable>(_ name: String, _ expected: String) throws -> Value? where Key: CodingKey {
        guard let key = Key(stringValue: name), self.contains(key) else { return nil }
        do {
            return try self.decode(Value.self, forKey: key)
        } catch let failure as ClientFailure {
            throw ClientFailure(failure.code, "field \"\(name)\": \(failure.message)")
        } catch {
            throw ClientFailure(.badRequest, "field \"\(name)\" must be \(expected)")
        }
    }
}

extension String {
    /// The text in quotes, shortened and on one line, for a sentence about what was found.
    var clientQuoted: String {
        var shown = "\""
        for (count, scalar) in self.unicodeScalars.enumerated() {
            if count == 64 { return shown + "…\"" }
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator: shown += "\\u{\(String(scalar.value, radix: 16))}"
            default: shown.unicodeScalars.append(scalar)
            }
        }
        return shown + "\""
    }
}
