// SPDX-License-Identifier: Apache-2.0
// The door for fuzzers: any bytes through everything that reads bytes, with the promises checked.

/// What a fuzz target or a test with made-up input calls.
package enum ConfigurationFuzz {
    /// Parses the bytes as every kind of input that this module has. Never traps on input.
    ///
    /// - Returns: A sentence when a promise was broken, else nil: an error must be one line, and what was parsed must come out
    ///   equal after rendering and parsing again.
    package static func parse(_ bytes: [UInt8]) -> String? {
        brokenPromise(bytes, as: ClusterConfiguration.self) ?? brokenPromise(bytes, as: NodeConfiguration.self) ?? brokenEntryPromise(bytes)
    }

    private static func brokenPromise<Configuration: KeyedConfiguration>(_ bytes: [UInt8], as type: Configuration.Type) -> String? {
        do throws(ConfigurationError) {
            let parsed = try Configuration.parse(
                bytes,
                file: "fuzz",
                environment: ["PORT": "8081", "HOST": "localhost"],
                fileSystem: NoConfigurationFiles()
            )
            try parsed.configuration.validate()
            let again = try Configuration(parsing: parsed.configuration.rendered(), fileSystem: NoConfigurationFiles())
            return again == parsed.configuration ? nil : "rendering changed the configuration:\n\(parsed.configuration.rendered())"
        } catch {
            if error.file == "<text>" || error.place == nil { return "what was parsed can't be rendered and parsed: \(error)" }
            return error.description.contains("\n") ? "an error of more than one line" : nil
        }
    }

    private static func brokenEntryPromise(_ bytes: [UInt8]) -> String? {
        do throws(ConfigurationError) {
            let value = try StampedValue(decoding: bytes)
            return try value.encoded() == bytes ? nil : "an entry that encodes to other bytes"
        } catch {
            return nil
        }
    }
}
