// swift-tools-version: 6.2

import PackageDescription

// A separate package, because it instruments every branch, which the proxy's own build must not do. The modules under
// test are the proxy's own sources, by a symbolic link.

let histogram = Target.Dependency.product(name: "Histogram", package: "hdrhistogram-swift")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let hummingbird: [Target.Dependency] = [
    .product(name: "Hummingbird", package: "hummingbird"),
    .product(name: "HummingbirdCore", package: "hummingbird"),
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
    .product(name: "NIOHTTP1", package: "swift-nio"),
    .product(name: "NIOExtras", package: "swift-nio-extras"),
    .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras"),
    .product(name: "HTTPTypes", package: "swift-http-types"),
]

let package = Package(
    name: "fuzz",
    platforms: [.macOS(.v15)],
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
        .target(name: "CLinux"),
        .target(name: "ValueFormats"),
        .target(name: "Randomness"),
        .target(name: "Balancing", dependencies: ["Randomness"]),
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
            dependencies: ["TCPProxy", "Balancing", "ProcessSupport", "Sockets", "ValueFormats", logging, lifecycle]
                + hummingbird
        ),
        .target(name: "EchoServer", dependencies: ["Randomness", "Sockets", "ProcessSupport", "EventLoop"]),
        .target(
            name: "LoadTester",
            dependencies: ["Randomness", "Sockets", "ProcessSupport", "EventLoop", "ValueFormats", histogram]
        ),
        // Only the command line sources that parse values.
        .target(
            name: "Arguments",
            dependencies: ["EchoServer", "LoadTester", "Sockets", "ValueFormats", arguments],
            path: "Sources/monkey",
            sources: [
                "Options/ArgumentParser+ValueReader.swift", "Options/EchoOptions.swift", "Options/LoadValues.swift",
                "Options/Switchable.swift", "Options/Upstream.swift", "Options/ValueFormats+Arguments.swift",
                "Options/ValueReader.swift", "CommandError.swift",
            ]
        ),

        .target(name: "LibFuzzer", path: "LibFuzzer"),
        .target(name: "Fuzzing", dependencies: ["LibFuzzer"], path: "Harnesses/Fuzzing"),
        .executableTarget(
            name: "parsers",
            dependencies: ["Fuzzing", "Arguments", "EchoServer", "LoadTester", "Sockets"],
            path: "Harnesses/Parsers"
        ),
        .executableTarget(
            name: "preread",
            dependencies: ["Fuzzing", "TCPProxy", "Sockets"],
            path: "Harnesses/Preread"
        ),
        .executableTarget(
            name: "balancer",
            dependencies: ["Fuzzing", "LoadBalancer", "ValueFormats", "Sockets"],
            path: "Harnesses/Balancer"
        ),
        .executableTarget(
            name: "requests",
            dependencies: [
                "Fuzzing", "AdminServer", "TCPProxy", logging, .product(name: "NIOEmbedded", package: "swift-nio"),
            ] + hummingbird,
            path: "Harnesses/Requests"
        ),
    ],
    swiftLanguageModes: [.v6]
)

for target in package.targets where target.name != "CLinux" && target.name != "LibFuzzer" {
    target.swiftSettings = [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        // Instruments the code, so that libFuzzer sees which branches an input takes.
        .unsafeFlags(["-sanitize=fuzzer"]),
    ]
}
