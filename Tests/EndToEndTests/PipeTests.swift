import Foundation
import Glibc
import Support
import Testing

@Suite("Without pipes, data is copied, and metrics show it", .ownThreads, .serialized, .timeLimit(.minutes(2)))
struct PipeTests {
    private let count = 16 << 20

    @Test("An unprivileged user splices too")
    func unprivileged() async throws {
        let upstream = try TestListener()
        try await withUser { user in
            try await withProxy(to: upstream, metrics: true, under: user) { proxy in
                try await relayBulk(through: proxy, to: upstream)
                let traffic = try proxy.traffic
                #expect(traffic.spliced > traffic.copied)
                #expect(traffic.refusals == 0)
                try await eventually("return of the pipes") { try proxy.traffic.pipesInUse == 0 }
            }
        }
    }

    @Test(
        "Beyond the user's pipe page limit data is copied, until pages are free again",
        arguments: PipeHolder.Extent.allCases
    )
    private func pastTheShare(extent: PipeHolder.Extent) async throws {
        let upstream = try TestListener()
        try await withUser { user in
            try await withProxy(to: upstream, metrics: true, under: user) { proxy in
                try await PipeHolder.holding(extent, as: user) {
                    try await relayBulk(through: proxy, to: upstream)
                    let traffic = try proxy.traffic
                    #expect(traffic.copied == Double(count))
                    #expect(traffic.spliced == 0)
                    #expect(traffic.refusals > 0)
                    #expect(traffic.pipesInUse == 0)
                }
                // The proxy retries, after a pause.
                try await eventually("splicing after pages are free") {
                    try await relayBulk(through: proxy, to: upstream)
                    return try proxy.traffic.spliced > 0
                }
                try await proxy.allDescriptorsReturn()
            }
        }
    }

    @Test("Without pipes everything is copied")
    func noPipes() async throws {
        let upstream = try TestListener()
        let options = ["--threads", "1", "--max-pipes", "0"]
        try await withProxy(to: upstream, options, metrics: true) { proxy in
            try await relayBulk(through: proxy, to: upstream)
            let traffic = try proxy.traffic
            #expect(traffic.copied == Double(count))
            #expect(traffic.refusals > 0)
        }
    }

    @Test("A stalled reader keeps its pipe, and connections beyond --max-pipes copy")
    func maximum() async throws {
        let pattern = Pattern(seed: 82)
        let upstream = try TestListener()
        // With `auto` a small rest moves to a chunk and the pipe is released; with `splice` the pipe is always kept.
        let options = ["--threads", "1", "--max-pipes", "1", "--engine", "splice"]
        try await withProxy(to: upstream, options, metrics: true) { proxy in
            let stalled = try (0..<4).map { _ in try RelayedPair(through: proxy, to: upstream) }
            try await withThrowingTaskGroup { group in
                for pair in stalled { group.addTask { try pair.server.send(pattern, count: count) } }
                try await eventually("held pipe") { try proxy.traffic.pipesInUse == 1 }
                let before = try proxy.traffic.copied
                try await relayBulk(through: proxy, to: upstream, besides: stalled.count)
                let traffic = try proxy.traffic
                #expect(traffic.copied - before >= Double(count))
                #expect(traffic.refusals > 0)
                for pair in stalled { group.addTask { try pair.client.receive(pattern, count: count) } }
                try await group.waitForAll()
            }
            #expect(try proxy.traffic.spliced > 0)
            try await eventually("return of the pipe") { try proxy.traffic.pipesInUse == 0 }
        }
    }

    /// Sends a large amount downstream on a new connection, and checks that it arrives.
    ///
    /// - Parameter others: number of other open connections.
    private func relayBulk(
        through proxy: RunningProxy,
        to upstream: TestListener,
        besides others: Int = 0
    ) async throws {
        let pattern = Pattern(seed: 81)
        let pair = try RelayedPair(through: proxy, to: upstream)
        async let sending: Void = {
            try pair.server.send(pattern, count: count)
            try pair.server.finish()
        }()
        let received = try pair.client.receiveRest(of: pattern)
        #expect(received == (count, .fin))
        try await sending
        pair.client.close()
        pair.server.close()
        try await eventually("end of the connection") {
            try proxy.readMetrics().value("connections_active") == Double(others)
        }
    }

    /// Provides a wrapper that runs a command as an unprivileged user, for which the kernel limits the pages of pipes.
    private func withUser(_ body: ([String]) async throws -> Void) async throws {
        guard getuid() == 0 else { return try await body([]) }
        try await body(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"])
    }
}

extension RunningProxy {
    /// The metrics of the engines, downstream.
    fileprivate var traffic: (copied: Double, spliced: Double, refusals: Double, pipesInUse: Double) {
        get throws {
            let metrics = try readMetrics()
            func bytes(_ engine: String) -> Double? {
                metrics.value("monkey_relayed_bytes_total", ["direction": "downstream", "engine": engine])
            }
            return try (
                #require(bytes("copy")), #require(bytes("splice")),
                #require(metrics.value("monkey_pipe_allocation_failures_total")),
                #require(metrics.value("monkey_pipes_in_use"))
            )
        }
    }
}

/// Another process of the same user, which has allocated the user's pipe pages (pipe(7), pipe-user-pages-soft).
private enum PipeHolder {
    enum Extent: String, CaseIterable, Sendable {
        /// Too few pages are left for a pipe of 1 MiB; it stays at 64 KiB.
        case nearlyAll
        /// No pages are left; a new pipe has two pages.
        case all
    }

    static func holding(_ extent: Extent, as user: [String], _ body: () async throws -> Void) async throws {
        let script = """
            import fcntl, os, resource, sys, time
            hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            while True:
                end = os.pipe()[1]
                try:
                    fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, 1 << 20)
                except PermissionError:
                    break
            while sys.argv[1] == "all" and fcntl.fcntl(os.pipe()[1], fcntl.F_GETPIPE_SZ) > 8192:
                pass
            print("holding", flush=True)
            time.sleep(600)
            """
        try await withProgram(user + ["env", "PATH=/usr/bin:/bin", "python3", "-c", script, extent.rawValue]) {
            program in
            _ = try program.output(after: "holding")
            try await body()
        }
    }
}
