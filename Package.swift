// swift-tools-version: 6.2

import PackageDescription

// Targets are in dependency order: each imports only targets above it.

let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let signals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let hummingbirdCore = Target.Dependency.product(name: "HummingbirdCore", package: "hummingbird")
let histogram = Target.Dependency.product(name: "Histogram", package: "hdrhistogram-swift")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

let nio: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
    .product(name: "NIOHTTP1", package: "swift-nio"),
    .product(name: "NIOExtras", package: "swift-nio-extras"),
    .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras"),
    .product(name: "HTTPTypes", package: "swift-http-types"),
]

let package = Package(
    name: "monkey-d-tcp",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "monkey", targets: ["monkey"]),
        .library(name: "TCPProxy", targets: ["TCPProxy"]),
        .library(name: "LoadBalancer", targets: ["LoadBalancer"]),
        .library(name: "AdminServer", targets: ["AdminServer"]),
        .library(name: "EchoServer", targets: ["EchoServer"]),
        .library(name: "LoadTester", targets: ["LoadTester"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0", traits: []),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
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
        .target(name: "Relay", dependencies: ["Sockets", "EventLoop"]),
        .target(
            name: "TCPProxy",
            dependencies: [
                "Relay", "Balancing", "Randomness", "EventLoop", "ProcessSupport", "Sockets", "ValueFormats", lifecycle,
            ]
        ),
        .target(
            name: "LoadBalancer",
            dependencies: [
                "TCPProxy", "Balancing", "Randomness", "EventLoop", "ProcessSupport", "Sockets", "CLinux",
                "ValueFormats", yams,
                logging,
                .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
            ]
        ),
        .target(
            name: "AdminServer",
            dependencies: [
                "TCPProxy", "Balancing", "ProcessSupport", "Sockets", "ValueFormats", hummingbird, hummingbirdCore,
                logging, lifecycle,
            ] + nio
        ),
        .target(name: "EchoServer", dependencies: ["Randomness", "Sockets", "ProcessSupport", "EventLoop"]),
        .target(
            name: "LoadTester",
            dependencies: ["Randomness", "Sockets", "ProcessSupport", "EventLoop", "ValueFormats", histogram]
        ),
        .executableTarget(
            name: "monkey",
            dependencies: [
                "TCPProxy", "LoadBalancer", "AdminServer", "EchoServer", "LoadTester", "Balancing", "Sockets",
                "ProcessSupport", "ValueFormats",
                arguments,
                logging, lifecycle, signals,
            ]
        ),

        .executableTarget(name: "example-minimal", dependencies: ["TCPProxy"], path: "Examples/Minimal"),
        .executableTarget(name: "example-observed", dependencies: ["TCPProxy"], path: "Examples/Observed"),
        .executableTarget(
            name: "example-service",
            dependencies: ["TCPProxy", lifecycle, logging, signals],
            path: "Examples/Service"
        ),

        .target(name: "Support", dependencies: ["CLinux"], path: "Tests/Support"),
        .target(name: "FakeSystem", dependencies: ["Randomness", "Sockets"], path: "Tests/FakeSystem"),
        // The simulation compiles the data plane's own sources, because the worker is not public API and a release
        // build cannot import internals (`@testable`).
        .executableTarget(
            name: "simulate",
            dependencies: [
                "Relay", "Balancing", "Randomness", "EventLoop", "ProcessSupport", "Sockets", "ValueFormats",
                "FakeSystem",
            ],
            path: "Tests/Simulation",
            exclude: ["DataPlane/API/Proxy.swift", "DataPlane/API/Proxy+Bind.swift"]
        ),
        .testTarget(name: "RandomnessTests", dependencies: ["Randomness"]),
        .testTarget(name: "BalancingTests", dependencies: ["Balancing", "Randomness"]),
        .testTarget(name: "ValueFormatsTests", dependencies: ["ValueFormats"]),
        .testTarget(name: "SimulationTests", dependencies: ["simulate"]),
        .testTarget(name: "SocketsTests", dependencies: ["Randomness", "Sockets", "ProcessSupport", "Support"]),
        .testTarget(name: "EventLoopTests", dependencies: ["Randomness", "EventLoop", "Sockets"]),
        .testTarget(name: "RelayTests", dependencies: ["Relay", "EventLoop", "Sockets", "FakeSystem"]),
        .testTarget(
            name: "TCPProxyTests",
            dependencies: [
                "TCPProxy", "Relay", "Balancing", "Randomness", "EventLoop", "ProcessSupport", "Sockets", "FakeSystem",
                "Support",
                lifecycle, logging,
            ]
        ),
        .testTarget(
            name: "LoadBalancerTests",
            dependencies: [
                "LoadBalancer", "TCPProxy", "Balancing", "Randomness", "Sockets", "ValueFormats", "Support", logging,
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
                "LoadTester", "EchoServer", "Randomness", "Sockets", "ProcessSupport", "EventLoop", "FakeSystem",
                "Support",
            ]
        ),
        .testTarget(
            name: "monkeyTests",
            dependencies: [
                "monkey", "TCPProxy", "LoadBalancer", "Balancing", "EchoServer", "Sockets", "ValueFormats", "Support",
                arguments, logging,
            ]
        ),
        .testTarget(name: "EndToEndTests", dependencies: ["monkey", "Support"]),
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

// Only for `just docs`, so that users of the package do not download it.
if Context.environment["MONKEY_DOCS"] != nil {
    package.dependencies.append(.package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.4.0"))
}
