// SPDX-License-Identifier: Apache-2.0
// What the tests of this folder share.

import GoferBrokeConfiguration
import Testing

/// Files that exist only in a test.
struct TestFiles: ConfigurationFileSystem {
    var files: [String: String]

    init(_ files: [String: String] = [:]) {
        self.files = files
    }

    func contents(of path: String, limit: Int) throws(ConfigurationFileError) -> [UInt8] {
        guard let text = files[path] else { throw ConfigurationFileError("No such file or directory") }
        return Array(text.utf8.prefix(limit + 1))
    }
}

/// The error of parsing a text as a document; fails the test when it parses.
func parseError(
    _ text: String,
    file: String = "test.conf",
    environment: [String: String] = [:],
    files: [String: String] = [:],
    limits: ConfigurationLimits = .standard,
    sourceLocation: SourceLocation = #_sourceLocation
) -> ConfigurationError? {
    do throws(ConfigurationError) {
        let document = try ConfigurationDocument.parse(
            text.utf8,
            file: file,
            environment: environment,
            fileSystem: TestFiles(files),
            limits: limits
        )
        Issue.record("parsed: \(document)", sourceLocation: sourceLocation)
        return nil
    } catch {
        return error
    }
}

/// The error of reading a text as a configuration; fails the test when it reads.
func readError<Root: KeyedConfiguration>(
    _ type: Root.Type,
    _ text: String,
    file: String = "test.conf",
    environment: [String: String] = [:],
    sourceLocation: SourceLocation = #_sourceLocation
) -> ConfigurationError? {
    do throws(ConfigurationError) {
        let configuration = try Root(parsing: text, file: file, environment: environment, fileSystem: TestFiles())
        Issue.record("read: \(configuration)", sourceLocation: sourceLocation)
        return nil
    } catch {
        return error
    }
}

/// The error that a call throws; fails the test when it throws none.
func configurationError<Result>(
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws(ConfigurationError) -> Result
) -> ConfigurationError? {
    do throws(ConfigurationError) {
        let result = try body()
        Issue.record("no error but \(result)", sourceLocation: sourceLocation)
        return nil
    } catch {
        return error
    }
}

/// A small generator with a seed, so that a failing input can be made again.
struct TestRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        self.state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
