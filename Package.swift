// swift-tools-version: 6.2

import PackageDescription

// Targets are in dependency order: each imports only targets above it.

let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let signals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let histogram = Target.Dependency.product(name: "Histogram", package: "hdrhistogram-swift")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")

// Only for the BoringSSL inside of it, which is not a product of its own.
let boringSSL = Target.Dependency.product(
    name: "NIOSSL",
    package: "swift-nio-ssl",
    condition: .when(traits: ["TLS"])
)

let package = Package(
    name: "monkey-d-tcp",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "monkey", targets: ["monkey"]),
        .library(name: "TCPProxy", targets: ["TCPProxy"]),
        .library(name: "TCPProxyService", targets: ["TCPProxyService"]),
        .library(name: "LoadBalancer", targets: ["LoadBalancer"]),
        .library(name: "AdminServer", targets: ["AdminServer"]),
        .library(name: "EchoServer", targets: ["EchoServer"]),
        .library(name: "LoadTester", targets: ["LoadTester"]),
    ],
    traits: [
        .trait(
            name: "TLS",
            description: "TLS with BoringSSL. Without it, TLS settings are errors, and the build is faster."
        ),
        .trait(name: "SystemOpenSSL", description: "TLS with the system's OpenSSL 3, in place of the trait TLS."),
        .default(enabledTraits: ["TLS"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        // CTLS includes headers of the BoringSSL in this package, which a minor version may change.
        .package(url: "https://github.com/apple/swift-nio-ssl", .upToNextMinor(from: "2.37.6")),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
    ],
    targets: [
        .target(name: "ValueFormats"),
        .target(name: "Randomness"),
        .target(name: "Balancing", dependencies: ["Randomness"]),
        .target(name: "CLinux"),
        .target(name: "Sockets", dependencies: ["CLinux"]),
        .target(name: "ProcessSupport", dependencies: ["CLinux", "Sockets"]),
        .target(name: "EventLoop", dependencies: ["CLinux", "Sockets"]),
        .target(
            name: "CTLS",
            dependencies: [boringSSL],
            cSettings: [
                .define("_GNU_SOURCE"),
                .define("CTLS_BORINGSSL", .when(traits: ["TLS"])),
                .define("CTLS_OPENSSL", .when(traits: ["SystemOpenSSL"])),
            ],
            linkerSettings: [
                .linkedLibrary("ssl", .when(traits: ["SystemOpenSSL"])),
                .linkedLibrary("crypto", .when(traits: ["SystemOpenSSL"])),
            ]
        ),
        .target(name: "TLS", dependencies: ["CTLS"]),
        .target(name: "Relay", dependencies: ["Sockets", "EventLoop", "TLS"]),
        .target(
            name: "TCPProxy",
            dependencies: [
                "Relay", "Balancing", "Randomness", "EventLoop", "ProcessSupport", "Sockets", "TLS", "ValueFormats",
            ]
        ),
        // Separate, so that the executable and programs without ServiceLifecycle do not build that package.
        .target(name: "TCPProxyService", dependencies: ["TCPProxy", lifecycle]),
        .target(
            name: "LoadBalancer",
            dependencies: [
                "TCPProxy", "Balancing", "Randomness", "EventLoop", "ProcessSupport", "Sockets", "CLinux", "TLS",
                "ValueFormats", yams, logging, nioCore, nioPosix,
            ]
        ),
        .target(
            name: "AdminServer",
            dependencies: [
                "TCPProxy", "Balancing", "ProcessSupport", "Sockets", "ValueFormats", logging, nioCore, nioPosix,
                nioHTTP1,
            ]
        ),
        .target(
            name: "EchoServer",
            dependencies: ["Randomness", "Sockets", "ProcessSupport", "EventLoop", "ValueFormats"]
        ),
        .target(
            name: "LoadTester",
            dependencies: ["Randomness", "Sockets", "ProcessSupport", "EventLoop", "TLS", "ValueFormats", histogram]
        ),
        .target(name: "CDispatchMonitor"),
        .executableTarget(
            name: "monkey",
            dependencies: [
                "CDispatchMonitor", "CLinux",
                "TCPProxy", "LoadBalancer", "AdminServer", "EchoServer", "LoadTester", "Balancing", "Sockets",
                "ProcessSupport", "TLS", "ValueFormats",
                arguments, logging, signals,
            ]
        ),

        .executableTarget(name: "example-minimal", dependencies: ["TCPProxy"], path: "Examples/Minimal"),
        .executableTarget(name: "example-observed", dependencies: ["TCPProxy"], path: "Examples/Observed"),
        .executableTarget(
            name: "example-service",
            dependencies: ["TCPProxy", "TCPProxyService", lifecycle, logging, signals],
            path: "Examples/Service"
        ),

        .target(name: "Support", dependencies: ["CLinux", "TLS"], path: "Tests/Support"),
        .target(name: "FakeSystem", dependencies: ["Randomness", "Relay", "Sockets", "TLS"], path: "Tests/FakeSystem"),
        // The simulation compiles the data plane's own sources, because the worker is not public API and a release
        // build cannot import internals (`@testable`).
        .executableTarget(
            name: "simulate",
            dependencies: [
                "Relay", "Balancing", "Randomness", "EventLoop", "ProcessSupport", "Sockets", "TLS", "ValueFormats",
                "FakeSystem",
            ],
            path: "Tests/Simulation",
            exclude: ["DataPlane/API/Proxy.swift", "DataPlane/API/Proxy+Bind.swift"]
        ),
        .testTarget(name: "RandomnessTests", dependencies: ["Randomness"]),
        .testTarget(name: "BalancingTests", dependencies: ["Balancing", "Randomness", "Support"]),
        .testTarget(name: "ValueFormatsTests", dependencies: ["ValueFormats"]),
        .testTarget(name: "SimulationTests", dependencies: ["simulate"]),
        .testTarget(
            name: "SocketsTests",
            dependencies: ["Randomness", "Sockets", "ProcessSupport", "Support", "CLinux"]
        ),
        .testTarget(
            name: "EventLoopTests",
            dependencies: ["Randomness", "EventLoop", "Sockets", "CLinux", "FakeSystem", "Support"]
        ),
        .testTarget(
            name: "RelayTests",
            dependencies: ["Relay", "EventLoop", "Sockets", "FakeSystem", "Support", "TLS"]
        ),
        .testTarget(name: "TLSTests", dependencies: ["TLS", "Support"]),
        .testTarget(
            name: "TCPProxyTests",
            dependencies: [
                "TCPProxy", "Relay", "Balancing", "Randomness", "EventLoop", "ProcessSupport", "Sockets", "FakeSystem",
                "Support", "TLS",
            ]
        ),
        .testTarget(
            name: "TCPProxyServiceTests",
            dependencies: ["TCPProxyService", "TCPProxy", "Support", lifecycle, logging]
        ),
        .testTarget(
            name: "LoadBalancerTests",
            dependencies: [
                "LoadBalancer", "TCPProxy", "Balancing", "Randomness", "Sockets", "TLS", "ValueFormats", "Support",
                logging,
                .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
            ]
        ),
        .testTarget(
            name: "AdminServerTests",
            dependencies: ["AdminServer", "TCPProxy", "ProcessSupport", "Sockets", "Support", logging, lifecycle]
        ),
        .testTarget(
            name: "EchoServerTests",
            dependencies: [
                "Randomness", "EchoServer", "ProcessSupport", "Sockets", "EventLoop", "FakeSystem", "Support",
            ]
        ),
        .testTarget(
            name: "LoadTesterTests",
            dependencies: [
                "LoadTester", "EchoServer", "TCPProxy", "Randomness", "Sockets", "ProcessSupport", "EventLoop", "TLS",
                "FakeSystem", "Support",
            ]
        ),
        .testTarget(
            name: "monkeyTests",
            dependencies: [
                "monkey", "TCPProxy", "LoadBalancer", "Balancing", "EchoServer", "LoadTester", "Sockets",
                "ValueFormats", "Support", arguments, logging,
            ]
        ),
        .testTarget(name: "EndToEndTests", dependencies: ["monkey", "Support"]),
    ],
    swiftLanguageModes: [.v6]
)

for target in package.targets where !["CLinux", "CDispatchMonitor", "CTLS"].contains(target.name) {
    target.swiftSettings = [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
    ]
}

// Only for `just docs`, so that users of the package do not download it.
if Context.environment["MONKEY_DOCS"] != nil {
    package.dependencies.append(.package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.4.0"))
}
