// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

let package = Package(
    name: "ten-lines",
    platforms: [.macOS(.v15)],
    dependencies: [
        // The name is given because the folder of the clone may have any.
        .package(name: "goferbroke", path: "../.."),
        .package(url: "https://github.com/apple/swift-log", from: "1.8.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.10.0"),
    ],
    targets: [
        .executableTarget(
            name: "TenLines",
            dependencies: [
                .product(name: "GoferBroke", package: "goferbroke"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]
        )
    ],
    swiftLanguageModes: [.v6]
)
