// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

/// Builds for scripts/planted have bugs that can be switched on (csrc/platform/planted.h).
let hasPlantedBugs = Context.environment["GOFERBROKE_PLANTED_BUGS"] != nil

let swiftSettings: [SwiftSetting] =
    [
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("ExistentialAny"),
        .treatAllWarnings(as: .error),
    ] + (hasPlantedBugs ? [.define("GB_PLANTED_BUGS")] : [])

let package = Package(
    name: "goferbroke",
    platforms: [.macOS(.v15)],
    products: [
        .library(name: "GoferBrokeSimulation", targets: ["GoferBrokeSimulation"]),
        .library(name: "GoferBroke", targets: ["GoferBroke", "GoferBrokeMembership"]),
        .executable(name: "gofer", targets: ["gofer"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.3.0"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0"),
        .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.7.0"),
        .package(url: "https://github.com/apple/swift-service-context", from: "1.3.0"),
        .package(url: "https://github.com/apple/swift-system", from: "1.6.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.10.0"),
    ],
    targets: [
        .systemLibrary(name: "CLibuv", pkgConfig: "libuv", providers: [.apt(["libuv1-dev"]), .brew(["libuv"])]),
        .target(
            name: "CGoferBroke",
            dependencies: ["CLibuv"],
            path: ".",
            sources: ["csrc"],
            publicHeadersPath: "include",
            cSettings: [
                .headerSearchPath("csrc"),
                .define("_GNU_SOURCE"),
                .treatAllWarnings(as: .error),
            ] + (hasPlantedBugs ? [.define("GB_PLANTED_BUGS")] : []),
            linkerSettings: [.linkedLibrary("uv")]
        ),
        .target(
            name: "GoferBrokeConfiguration",
            dependencies: [
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: swiftSettings
        ),
        .target(name: "GoferBrokeMembership", swiftSettings: swiftSettings),
        .target(
            name: "GoferBroke",
            dependencies: [
                "CGoferBroke",
                "GoferBrokeConfiguration",
                "GoferBrokeMembership",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "Tracing", package: "swift-distributed-tracing"),
                .product(name: "ServiceContextModule", package: "swift-service-context"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: swiftSettings
        ),
        .target(
            name: "GoferBrokeSimulation",
            dependencies: [
                "GoferBroke",
                "GoferBrokeConfiguration",
                "GoferBrokeMembership",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "HeapModule", package: "swift-collections"),
            ],
            swiftSettings: swiftSettings
        ),
        .executableTarget(
            name: "gofer",
            dependencies: [
                "GoferBroke",
                "GoferBrokeConfiguration",
                "GoferBrokeSimulation",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "SystemPackage", package: "swift-system"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "GoferBrokeConfigurationTests",
            dependencies: [
                "GoferBrokeConfiguration",
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: swiftSettings
        ),
        .testTarget(name: "GoferBrokeMembershipTests", dependencies: ["GoferBrokeMembership"], swiftSettings: swiftSettings),
        .testTarget(
            name: "GoferBrokeSimulationTests",
            dependencies: ["GoferBroke", "GoferBrokeConfiguration", "GoferBrokeMembership", "GoferBrokeSimulation"],
            exclude: ["Regressions"],
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "GoferBrokeTests",
            dependencies: [
                "GoferBroke",
                "GoferBrokeConfiguration",
                .product(name: "InMemoryTracing", package: "swift-distributed-tracing"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "MetricsTestKit", package: "swift-metrics"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "Tracing", package: "swift-distributed-tracing"),
            ],
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "goferTests",
            dependencies: [
                "gofer",
                "GoferBroke",
                "GoferBrokeConfiguration",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: swiftSettings
        ),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .gnu11
)
