// swift-tools-version: 6.2

import PackageDescription

// A separate package, so that building the proxy does not build the benchmark library. The modules under measurement
// are the proxy's own sources, linked in Sources/, because none of them is a product of the proxy's package.

let package = Package(
    name: "micro-benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [
        // Without its traits the library has no malloc interposer and counts no allocations; the tests count them.
        .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.0", traits: [])
    ],
    targets: [
        .target(name: "Randomness"),
        .target(name: "Balancing", dependencies: ["Randomness"]),
        .target(name: "CLinux"),
        .target(name: "Sockets", dependencies: ["CLinux"]),
        .target(name: "EventLoop", dependencies: ["CLinux", "Sockets"]),
        // Without a TLS library, whose code is not under measurement.
        .target(name: "CTLS"),
        .target(name: "TLS", dependencies: ["CTLS"]),
        .target(name: "Relay", dependencies: ["Sockets", "EventLoop", "TLS"]),
        .executableTarget(
            name: "DataPlane",
            dependencies: [
                "Relay", "EventLoop", "Sockets", "Balancing", .product(name: "Benchmark", package: "benchmark"),
            ],
            path: "Benchmarks/DataPlane",
            plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]
        ),
    ],
    swiftLanguageModes: [.v6]
)

for target in package.targets where !["CLinux", "CTLS"].contains(target.name) {
    target.swiftSettings = [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
    ]
}
