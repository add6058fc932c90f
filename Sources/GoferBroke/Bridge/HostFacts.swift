// SPDX-License-Identifier: Apache-2.0
// Facts about this machine, as the C core reads them; and versions.

internal import CGoferBroke

struct HostFacts: Sendable, Hashable {
    var host = ""
    var platform = ""
    var release = ""
    var machine = ""
    var cpuModel = ""
    var coreCount: UInt32 = 0
    var memoryTotal: UInt64 = 0
    var memoryAvailable: UInt64 = 0

    /// Reads the facts now. Takes microseconds to milliseconds: not for hot paths.
    static func read() -> HostFacts {
        var facts = gb_host_facts()
        gb_host_facts_read(&facts)
        return HostFacts(
            host: self.text(of: facts.host),
            platform: self.text(of: facts.platform),
            release: self.text(of: facts.release),
            machine: self.text(of: facts.machine),
            cpuModel: self.text(of: facts.cpu_model),
            coreCount: facts.core_count,
            memoryTotal: facts.memory_total,
            memoryAvailable: facts.memory_available
        )
    }

    /// The text in a NUL-terminated array of C, which Swift sees as a tuple.
    private static func text<Characters>(of characters: Characters) -> String {
        withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}

/// Versions of this library.
public enum GoferBrokeVersion {
    /// The version of the core that is running: `MAJOR.MINOR.PATCH`.
    public static var current: String { String(cString: gb_version_string()) }
}
