import LoadBalancer
import Sockets
import Support
import Testing

/// Health checks of a real Redis.
@Suite("Health checks with Redis", .ownThreads, .needs(RealServer.path(of: "redis-server"), package: "redis-server"))
struct RealRedisTests {
    @Test("a running server is up", arguments: [[], ["--requirepass", "secret"]])
    func up(options: [String]) async throws {
        try await withRedis(options) { address, _ in
            try await awaitResult(.redis, at: address, "up", isUp)
        }
    }

    /// A thousand keys, each of which takes 100 ms to load.
    @Test("a server that loads its data is down")
    func loading() async throws {
        try await withScratchFolder { folder in
            let keep = ["--dir", folder, "--enable-debug-command", "local"]
            try await withRedis(keep) { address, server in
                try await awaitResult(.redis, at: address, "up", isUp)
                let client = try connected(to: address)
                try client.send("DEBUG POPULATE 1000\r\n")
                try client.receive("+OK\r\n")
                try client.send("SAVE\r\n")
                try client.receive("+OK\r\n")
            }
            let slow = [
                "--dir", folder, "--key-load-delay", "100000", "--loading-process-events-interval-bytes", "1024",
            ]
            try await withRedis(slow) { address, _ in
                try await awaitResult(.redis, at: address, "loading") {
                    $0 == .failure(.redis(message: "LOADING Redis is loading the dataset in memory"))
                }
            }
        }
    }

    @Test("a server in an endless script is down")
    func busy() async throws {
        try await withRedis(["--busy-reply-threshold", "1"]) { address, _ in
            try await awaitResult(.redis, at: address, "up", isUp)
            let client = try connected(to: address)
            try client.send("EVAL \"while true do end\" 0\r\n")
            try await awaitResult(.redis, at: address, "busy") {
                guard case .failure(.redis(let message)) = $0 else { return false }
                return message.hasPrefix("BUSY ")
            }
        }
    }

    @Test("a replica without its master is down")
    func replica() async throws {
        let unused = try RealServer.freePort()
        let options = ["--replicaof", "127.0.0.1 \(unused)", "--replica-serve-stale-data", "no"]
        try await withRedis(options) { address, _ in
            try await awaitResult(.redis, at: address, "without its master") {
                guard case .failure(.redis(let message)) = $0 else { return false }
                return message.hasPrefix("MASTERDOWN ")
            }
        }
    }

    @Test("a server at its connection limit is down")
    func full() async throws {
        try await withRedis(["--maxclients", "1"]) { address, _ in
            try await awaitResult(.redis, at: address, "up", isUp)
            var client = try connected(to: address)
            // The check's own connection may still occupy its slot.
            try await eventually("free client connection") {
                client = try connected(to: address)
                try client.send("PING\r\n")
                return try client.receive(upTo: 100) == Array("+PONG\r\n".utf8)
            }
            switch await HealthCheckRun.run(.redis, at: address, timeout: patience) {
            case .failure(.redis("ERR max number of clients reached")), .failure(.broken): break
            case let result: Issue.record("the result was \(result)")
            }
            client.close()
        }
    }
}

private func connected(to address: SocketAddress) throws -> TestSocket {
    try TestSocket.connect(to: .ip("127.0.0.1", port: address.port ?? 0))
}

private func withRedis(
    _ options: [String],
    _ body: (SocketAddress, RunningProgram) async throws -> Void
) async throws {
    let port = try RealServer.freePort()
    let usual = ["--port", "\(port)", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    try await withProgram([RealServer.path(of: "redis-server")] + usual + options) { server in
        do {
            try await body(RealServer.address(port), server)
        } catch {
            Issue.record("output of Redis: \(server.outputLines)")
            throw error
        }
    }
}
