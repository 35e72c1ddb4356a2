// swift-tools-version: 6.2

import PackageDescription

// A separate package, because it instruments every branch, which the proxy's own build must not do. The modules under
// test are the proxy's own sources, by a symbolic link. They cannot come from a dependency on the proxy's package, so
// the targets are listed again: SwiftPM applies unsafe flags (-sanitize=fuzzer) only to the targets of this manifest,
// `package` declarations are visible only within a package, and Sockets, ValueFormats and the command line are not
// products.

let histogram = Target.Dependency.product(name: "Histogram", package: "hdrhistogram-swift")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let nio: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
    .product(name: "NIOHTTP1", package: "swift-nio"),
]

let package = Package(
    name: "fuzz",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", .upToNextMinor(from: "2.37.6")),
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
        // The TLS library itself is not instrumented: the harnesses test how it is used.
        .target(
            name: "CTLS",
            dependencies: [.product(name: "NIOSSL", package: "swift-nio-ssl")],
            cSettings: [.define("_GNU_SOURCE"), .define("CTLS_BORINGSSL")]
        ),
        .target(name: "TLS", dependencies: ["CTLS"]),
        .target(name: "Relay", dependencies: ["Sockets", "EventLoop", "TLS"]),
        .target(
            name: "TCPProxy",
            dependencies: [
                "Relay", "Balancing", "Randomness", "EventLoop", "ProcessSupport", "Sockets", "TLS", "ValueFormats",
            ]
        ),
        .target(
            name: "LoadBalancer",
            dependencies: [
                "TCPProxy", "Balancing", "Randomness", "EventLoop", "ProcessSupport", "Sockets", "CLinux", "TLS",
                "ValueFormats", yams, logging,
                .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
            ]
        ),
        .target(
            name: "AdminServer",
            dependencies: ["TCPProxy", "Balancing", "ProcessSupport", "Sockets", "ValueFormats", logging] + nio
        ),
        .target(
            name: "EchoServer",
            dependencies: ["Randomness", "Sockets", "ProcessSupport", "EventLoop", "ValueFormats"]
        ),
        .target(
            name: "LoadTester",
            dependencies: ["Randomness", "Sockets", "ProcessSupport", "EventLoop", "TLS", "ValueFormats", histogram]
        ),
        // Only the command line sources that parse values.
        .target(
            name: "Arguments",
            dependencies: ["EchoServer", "LoadTester", "Sockets", "ValueFormats", arguments],
            path: "Sources/monkey",
            sources: [
                "Options/EchoOptions.swift", "Options/LoadValues.swift", "Options/Option+SettingDescriptor.swift",
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
        .executableTarget(name: "transforms", dependencies: ["Fuzzing", "TLS"], path: "Harnesses/Transforms"),
        .executableTarget(
            name: "balancer",
            dependencies: ["Fuzzing", "LoadBalancer", "ValueFormats", "Sockets"],
            path: "Harnesses/Balancer"
        ),
        .executableTarget(
            name: "requests",
            dependencies: [
                "Fuzzing", "AdminServer", "TCPProxy", logging, .product(name: "NIOEmbedded", package: "swift-nio"),
            ] + nio,
            path: "Harnesses/Requests"
        ),
    ],
    swiftLanguageModes: [.v6]
)

for target in package.targets where !["CLinux", "CTLS", "LibFuzzer"].contains(target.name) {
    target.swiftSettings = [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        // Instruments the code, so that libFuzzer sees which branches an input takes.
        .unsafeFlags(["-sanitize=fuzzer"]),
    ]
}
