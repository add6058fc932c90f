// SPDX-License-Identifier: Apache-2.0
// Why a request of a client was not served.

/// Why a request of a client was not served: a code for programs, a sentence for people.
///
/// As JSON `{"error": {"code": …, "message": …}}`.
package struct ClientFailure: Error, Codable, Sendable, Hashable, CustomStringConvertible {
    /// A short word; an open set.
    package struct Code: Codable, RawRepresentable, Sendable, Hashable {
        /// The word, in snake case.
        package let rawValue: String

        /// A code by its word.
        package init(rawValue: String) {
            self.rawValue = rawValue
        }

        /// The request can't be understood.
        package static let badRequest = Code(rawValue: "bad_request")
        /// No such verb.
        package static let unknownVerb = Code(rawValue: "unknown_verb")
        /// No such key.
        package static let notFound = Code(rawValue: "not_found")
        /// No member has that name.
        package static let unknownNode = Code(rawValue: "unknown_node")
        /// A value that does not fit its type.
        package static let wrongType = Code(rawValue: "wrong_type")
        /// A value over the size limit.
        package static let valueSize = Code(rawValue: "value_size")
        /// A key or value of the configuration that is refused.
        package static let configuration = Code(rawValue: "configuration")
        /// The client has too many requests or streams that are not finished.
        package static let busy = Code(rawValue: "busy")
        /// The client took its request back before it was served.
        package static let cancelled = Code(rawValue: "cancelled")
        /// The node is stopping.
        package static let closed = Code(rawValue: "closed")
        /// No node answers.
        package static let noNode = Code(rawValue: "no_node")
        /// The command line is wrong.
        package static let usage = Code(rawValue: "usage")
        /// Anything else.
        package static let failed = Code(rawValue: "failed")
        /// The answer of the node can't be understood.
        package static let badAnswer = Code(rawValue: "bad_answer")
    }

    /// For programs.
    package var code: Code
    /// For people: one sentence, without control characters.
    package var message: String

    /// Makes a failure.
    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// An error of a node.
    package init(_ error: GoferBrokeError) {
        let word = String(error.code.description.map { $0 == "-" ? "_" : $0 })
        self.init(Code(rawValue: word), error.description)
    }

    /// The sentence.
    package var description: String { self.message }

    private enum Keys: String, CodingKey {
        case error
    }

    private enum InnerKeys: String, CodingKey {
        case code
        case message
    }

    /// Reads `{"error": {"code": …, "message": …}}`.
    package init(from decoder: any Decoder) throws {
        let inner = try decoder.container(keyedBy: Keys.self).nestedContainer(keyedBy: InnerKeys.self, forKey: .error)
        self.init(Code(rawValue: try inner.decode(String.self, forKey: .code)), try inner.decode(String.self, forKey: .message))
    }

    /// Writes `{"error": {"code": …, "message": …}}`.
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Keys.self)
        var inner = container.nestedContainer(keyedBy: InnerKeys.self, forKey: .error)
        try inner.encode(self.code.rawValue, forKey: .code)
        try inner.encode(self.message, forKey: .message)
    }
}
