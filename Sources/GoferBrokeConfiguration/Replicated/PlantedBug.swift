// SPDX-License-Identifier: Apache-2.0
// The bug of csrc/platform/planted.h that lies in Swift.

#if GB_PLANTED_BUGS
    internal import Foundation

    enum PlantedBug {
        /// Of two values of a cluster key the one that came last wins.
        static let isStampIgnored = ProcessInfo.processInfo.environment["GOFERBROKE_PLANTED"] == "9"
    }
#endif
