// swift-tools-version: 6.2

import PackageDescription

// A package of its own, so that nobody who builds the proxy builds the benchmark library too. The modules under
// measurement are the proxy's own sources, by links in Sources/: none of them is a product of the proxy's package.

let package = Package(
    name: "micro-benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [
        // Without its traits there is no malloc interposer: it counts no allocations. Tests do that.
        .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.0", traits: [])
    ],
    targets: [
        .target(name: "Balancing"),
        .target(name: "CLinux"),
        .target(name: "Sockets", dependencies: ["CLinux"]),
        .target(name: "Workers", dependencies: ["Sockets"]),
        .target(name: "Relay", dependencies: ["Sockets", "Workers"]),
        .executableTarget(
            name: "DataPlane",
            dependencies: [
                "Relay", "Workers", "Sockets", "Balancing", .product(name: "Benchmark", package: "benchmark"),
            ],
            path: "Benchmarks/DataPlane",
            plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]
        ),
    ],
    swiftLanguageModes: [.v6]
)

for target in package.targets where target.name != "CLinux" {
    target.swiftSettings = [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
    ]
}
