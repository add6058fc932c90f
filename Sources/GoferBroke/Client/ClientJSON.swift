// SPDX-License-Identifier: Apache-2.0
// JSON of the client protocol: one object a frame, keys sorted, streams with "event" first.

#if canImport(FoundationEssentials)
    internal import FoundationEssentials
#else
    internal import Foundation
#endif

/// Reading and writing the payloads of client frames.
package enum ClientJSON {
    /// The JSON of a message, keys sorted.
    package static func encode(_ message: some Encodable) throws(ClientFailure) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return Array(try encoder.encode(message))
        } catch {
            throw ClientFailure(.failed, "the answer can't be written as JSON")
        }
    }

    /// An element of a stream: the JSON of the body with `"event"` as its first field.
    package static func encode(event: String, _ body: some Encodable) throws(ClientFailure) -> [UInt8] {
        let rest = try encode(body)
        let head = Array("{\"event\":\"\(event)\"".utf8)
        return rest.count <= 2 ? head + [UInt8(ascii: "}")] : head + [UInt8(ascii: ",")] + rest.dropFirst()
    }

    /// Reads a message. Any bytes are safe.
    package static func decode<Message: Decodable>(_ type: Message.Type = Message.self, from bytes: [UInt8]) throws(ClientFailure)
        -> Message
    {
        do {
            return try JSONDecoder().decode(Message.self, from: Data(bytes))
        } catch let failure as ClientFailure {
            throw failure
        } catch DecodingError.keyNotFound(let key, _) {
            throw ClientFailure(.badRequest, "the field \(key.stringValue.clientQuoted) is missing")
        } catch DecodingError.typeMismatch(_, let context) {
            throw ClientFailure(.badRequest, "the field \(path(context)) is of another type than expected")
        } catch DecodingError.valueNotFound(_, let context) {
            throw ClientFailure(.badRequest, "the field \(path(context)) is null")
        } catch {
            throw ClientFailure(.badRequest, "that is not valid JSON")
        }
    }

    private static func path(_ context: DecodingError.Context) -> String {
        context.codingPath.map(\.stringValue).joined(separator: ".").clientQuoted
    }
}
