import Foundation
import Support
import Testing

/// The executable under test: MONKEY in the environment, or the product that SwiftPM built beside the test bundle.
let monkeyPath: String = {
    if let path = ProcessInfo.processInfo.environment["MONKEY"] { return path }
    let bundle =
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    return URL(fileURLWithPath: bundle).deletingLastPathComponent().appendingPathComponent("monkey").path
}()

/// A `monkey proxy` that is listening.
struct RunningProxy: Sendable {
    let program: RunningProgram
    let address: TestAddress
    /// The upstream address that it reports.
    let upstream: String
    /// Nil with `--admin off`.
    let metrics: TestAddress?
    /// Number of open sockets and pipes before the first connection.
    let socketsAtStart: Int
    /// Number of pipes among them.
    let pipesAtStart: Int
    /// Number of pipes that the workers may keep for the next connections, as descriptors.
    let maxSpares: Int

    var process: ProcessView { ProcessView(program.processID) }

    func connect(
        limit: Duration = patience,
        receiveBuffer: Int32? = nil,
        at location: SourceLocation = #_sourceLocation
    ) throws -> TestSocket {
        try .connect(to: address, limit: limit, receiveBuffer: receiveBuffer, at: location)
    }

    func get(_ path: String, method: String = "GET", at location: SourceLocation = #_sourceLocation) throws
        -> HTTPResponse
    {
        try httpGet(path, from: #require(metrics, sourceLocation: location), method: method, at: location)
    }

    func readMetrics(at location: SourceLocation = #_sourceLocation) throws -> MetricsText {
        try MetricsText(get("/metrics", at: location).body)
    }

    /// Waits until all sockets of connections are closed, and all pipes but the spare ones: a worker closes these when
    /// it has not used them for two seconds.
    func descriptorsReturn(
        within limit: Duration = patience,
        at location: SourceLocation = #_sourceLocation
    ) async throws {
        let sockets = socketsAtStart - pipesAtStart
        let pipes = pipesAtStart + maxSpares
        try await eventually("return to \(sockets) sockets and \(pipes) pipes", within: limit, at: location) {
            try process.socketsWithoutPipes <= sockets && process.pipeCount <= pipes
        }
    }

    /// Waits until all descriptors of connections are closed, also those of spare pipes.
    func allDescriptorsReturn(
        within limit: Duration = patience,
        at location: SourceLocation = #_sourceLocation
    ) async throws {
        try await eventually("return to \(socketsAtStart) sockets", within: limit, at: location) {
            try process.socketCount <= socketsAtStart
        }
    }

    /// Requests termination and waits for it.
    func end(
        with signal: Int32 = SIGTERM,
        at location: SourceLocation = #_sourceLocation
    ) throws {
        try program.signal(signal)
        let exit = try program.waitForExit(at: location)
        #expect(exit == .code(0), sourceLocation: location)
    }
}

/// Starts `monkey proxy` on an ephemeral port, under the engine of ``EachEngineTrait`` if there is one, and passes it
/// to `body`; kills it afterwards if it still runs.
///
/// - Parameters:
///   - metrics: whether it has its HTTP endpoint, also on an ephemeral port.
///   - wrapper: a command that executes the command given to it, such as `prlimit`.
func withProxy<Value>(
    on listen: TestAddress = .loopback,
    to upstream: some UpstreamArgument,
    _ options: [String] = [],
    metrics: Bool = false,
    under wrapper: [String] = [],
    at location: SourceLocation = #_sourceLocation,
    _ body: (RunningProxy) async throws -> Value
) async throws -> Value {
    let arguments = ["proxy", "\(listen)", upstream.argument] + options
    return try await withServing(arguments, metrics: metrics, under: wrapper, at: location, body)
}

/// Like ``withProxy(on:to:_:metrics:under:at:_:)``, with `monkey balance` and several servers; always has an HTTP
/// endpoint.
func withBalancer<Value>(
    over servers: [String],
    _ options: [String] = [],
    at location: SourceLocation = #_sourceLocation,
    _ body: (RunningProxy) async throws -> Value
) async throws -> Value {
    let arguments = ["balance", "\(TestAddress.loopback)"] + servers + options
    return try await withServing(arguments, metrics: true, under: [], at: location, body)
}

private func withServing<Value>(
    _ arguments: [String],
    metrics: Bool,
    under wrapper: [String],
    at location: SourceLocation,
    _ body: (RunningProxy) async throws -> Value
) async throws -> Value {
    let endpoint = ["--admin", metrics ? "127.0.0.1:0" : "off"]
    let threads = arguments.firstIndex(of: "--threads").flatMap { Int(arguments[$0 + 1]) }
    let workers = threads ?? ProcessInfo.processInfo.activeProcessorCount
    let engine = Engine.current.map { ["--engine", "\($0)"] } ?? []
    return try await withProgram(wrapper + [monkeyPath] + arguments + endpoint + engine) { program in
        let address = try program.output(after: "Proxy listening on ", at: location)
        let upstream = try program.output(after: "Forwarding to ", at: location)
        var endpoint: TestAddress?
        if metrics {
            let url = try program.output(after: "Metrics on http://", at: location)
            let address: TestAddress = try #require(
                TestAddress(url.replacing("/metrics", with: "")),
                sourceLocation: location
            )
            endpoint = address
        }
        let proxy = try RunningProxy(
            program: program,
            address: #require(TestAddress(address), sourceLocation: location),
            upstream: upstream,
            metrics: endpoint,
            socketsAtStart: ProcessView(program.processID).socketCount,
            pipesAtStart: ProcessView(program.processID).pipeCount,
            maxSpares: 2 * 4 * workers
        )
        return try await body(proxy)
    }
}

/// An upstream of `monkey proxy`: an argument of the command line, or a listener of the test.
protocol UpstreamArgument {
    var argument: String { get }
}

extension String: UpstreamArgument {
    var argument: String { self }
}

extension TestListener: UpstreamArgument {
    var argument: String { "\(address)" }
}

/// Opens one connection through a proxy of its own, and passes both to `body`.
///
/// - Parameter receiveBuffer: receive buffers of both ends, in bytes.
func withRelayedPair(
    threads: Int? = nil,
    receiveBuffer: Int32? = nil,
    at location: SourceLocation = #_sourceLocation,
    _ body: (RunningProxy, RelayedPair) async throws -> Void
) async throws {
    let upstream = try TestListener(receiveBuffer: receiveBuffer)
    let options = threads.map { ["--threads", "\($0)"] } ?? []
    try await withProxy(to: upstream, options, at: location) { proxy in
        try await body(proxy, RelayedPair(through: proxy, to: upstream, clientReceiveBuffer: receiveBuffer))
    }
}

/// Opens connections through one proxy, one after the other, and waits until all of them are closed.
func withRelayedPairs(_ count: Int, _ body: (RelayedPair) async throws -> Void) async throws {
    let upstream = try TestListener()
    try await withProxy(to: upstream) { proxy in
        for _ in 0..<count { try await body(RelayedPair(through: proxy, to: upstream)) }
        try await proxy.descriptorsReturn()
    }
}

/// Runs `monkey` until it exits by itself.
func runMonkey(
    _ arguments: [String],
    under wrapper: [String] = [],
    at location: SourceLocation = #_sourceLocation
) async throws -> FinishedRun {
    let (exit, output, errors) = try await runToEnd(wrapper + [monkeyPath] + arguments, at: location)
    return FinishedRun(exit: exit, output: output, errors: errors)
}

/// Returns a wrapper that sets RLIMIT_NOFILE, both hard and soft unless a lower soft limit is given.
func descriptorLimit(_ hard: Int, soft: Int? = nil) -> [String] {
    ["prlimit", "--nofile=\(soft ?? hard):\(hard)"]
}

/// The two ends of one relayed connection.
struct RelayedPair: Sendable {
    let client: TestSocket
    let server: TestSocket

    init(client: TestSocket, server: TestSocket) {
        self.client = client
        self.server = server
    }

    /// Connects through the proxy and accepts behind it. No other connection may be in progress.
    init(
        through proxy: RunningProxy,
        to upstream: TestListener,
        clientReceiveBuffer: Int32? = nil,
        at location: SourceLocation = #_sourceLocation
    ) throws {
        client = try proxy.connect(receiveBuffer: clientReceiveBuffer, at: location)
        server = try upstream.accept(at: location)
    }

    /// Returns the end that sends in a direction.
    func sender(_ direction: Direction) -> TestSocket { direction == .upstream ? client : server }

    /// Returns the end that receives in a direction.
    func receiver(_ direction: Direction) -> TestSocket { direction == .upstream ? server : client }

    /// Sends a text and a FIN in a direction, and expects both.
    func halfClose(
        _ direction: Direction,
        after text: String = "",
        at location: SourceLocation = #_sourceLocation
    ) throws {
        if !text.isEmpty { try sender(direction).send(text, at: location) }
        try sender(direction).finish()
        let rest = try receiver(direction).receiveRest(at: location)
        #expect(rest == .init(bytes: Array(text.utf8), end: .fin), sourceLocation: location)
    }

    /// Resets the sender of a direction, and expects the reset at its receiver.
    func reset(_ direction: Direction, at location: SourceLocation = #_sourceLocation) throws {
        try sender(direction).reset()
        let rest = try receiver(direction).receiveRest(at: location)
        #expect(rest == .init(bytes: [], end: .reset), sourceLocation: location)
    }

    /// Sends a few bytes in each direction and checks that they arrive.
    func exchange(at location: SourceLocation = #_sourceLocation) throws {
        try client.send("ping", at: location)
        try server.receive("ping", at: location)
        try server.send("pong", at: location)
        try client.receive("pong", at: location)
    }
}

/// Upstream is client to server, downstream server to client.
enum Direction: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case upstream, downstream

    var other: Direction { self == .upstream ? .downstream : .upstream }
    var testDescription: String { rawValue }
}

/// A completed run of `monkey`.
struct FinishedRun: Sendable {
    let exit: RunningProgram.Exit
    let output: [String]
    let errors: [String]

    /// Expects one line on standard error that contains `text`, nothing on standard output, and this exit code.
    func expectFailure(
        code: Int32 = 1,
        naming text: String,
        at location: SourceLocation = #_sourceLocation
    ) {
        #expect(exit == .code(code), sourceLocation: location)
        #expect(output == [], sourceLocation: location)
        #expect(errors.count == 1, "\(errors)", sourceLocation: location)
        #expect(errors.first?.hasPrefix("Error: ") == true, "\(errors)", sourceLocation: location)
        #expect(errors.first?.contains(text) == true, "\(errors)", sourceLocation: location)
    }
}
