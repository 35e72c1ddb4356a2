import Support
import Testing

@Suite("Load balancing over several servers", .ownThreads, .serialized, .timeLimit(.minutes(2)))
struct BalanceTests {
    /// Returns the proxy's count of connections to a server; they stay in the server's accept queue.
    private func connected(_ proxy: RunningProxy, _ server: TestListener) throws -> Double? {
        let labels = ["pool": "servers", "server": "\(server.address)"]
        return try proxy.readMetrics().value("monkey_server_connections_total", labels)
    }

    private func isUp(_ proxy: RunningProxy, _ server: TestListener) throws -> Bool {
        let labels = ["pool": "servers", "server": "\(server.address)"]
        return try proxy.readMetrics().value("monkey_server_up", labels) == 1
    }

    @Test("Round-robin follows the weights, on one thread and on several", arguments: [1, 4])
    func weights(threads: Int) async throws {
        let listeners = try (0..<3).map { _ in try TestListener() }
        var servers = listeners.map { "\($0.address)" }
        servers[1] += ",weight=2"
        try await withBalancer(over: servers, ["--threads", "\(threads)", "--policy", "round-robin"]) { proxy in
            let clients = try (0..<80).map { _ in try proxy.connect() }
            var counts: [Double] = []
            try await eventually("80 connections with a server") {
                counts = try listeners.map { try connected(proxy, $0) ?? 0 }
                return counts.reduce(0, +) == 80
            }
            // Each worker has its own round-robin position, which may be anywhere in the round.
            let slack = Double(threads)
            #expect(abs(counts[0] - 20) <= slack && abs(counts[1] - 40) <= 2 * slack, "\(counts)")
            for client in clients { client.close() }
        }
    }

    @Test("A failed server costs no connection, is skipped, and returns when its checks pass")
    func goneAndBack() async throws {
        let listeners = try (0..<2).map { _ in try TestListener() }
        let options = ["--check", "tcp", "--check-interval", "20ms", "--no-ejection"]
        try await withBalancer(over: listeners.map { "\($0.address)" }, options) { proxy in
            listeners[0].close()
            let clients = try (0..<20).map { _ in try proxy.connect() }
            try await eventually("20 connections to the other server") { try connected(proxy, listeners[1]) == 20 }
            try await eventually("mark-down of the closed server") { try !isUp(proxy, listeners[0]) }
            let again = try TestListener(on: listeners[0].address)
            try await eventually("mark-up of the restarted server") { try isUp(proxy, again) }
            #expect(try proxy.readMetrics().value("monkey_connections_no_server_total") == 0)
            for client in clients { client.close() }
        }
    }

    @Test("Failed connection attempts eject a server without checks")
    func ejection() async throws {
        let listeners = try (0..<2).map { _ in try TestListener() }
        try await withBalancer(over: listeners.map { "\($0.address)" }, ["--threads", "1"]) { proxy in
            listeners[0].close()
            try await eventually("ejection of the closed server") {
                try RelayedPair(through: proxy, to: listeners[1]).exchange()
                return try !isUp(proxy, listeners[0])
            }
            #expect(try proxy.readMetrics().value("monkey_connections_no_server_total") == 0)
        }
    }

    @Test("A server's maximum applies across threads, and queued clients get the next permit")
    func maximum() async throws {
        let listener = try TestListener()
        try await withBalancer(over: ["\(listener.address),max=2"], ["--threads", "4"]) { proxy in
            let first = try (0..<2).map { _ in try RelayedPair(through: proxy, to: listener) }
            let waiting = try (0..<6).map { _ in try proxy.connect() }
            try await eventually("six queued clients") {
                try proxy.readMetrics().value("monkey_pool_queue_length", ["pool": "servers"]) == 6
            }
            for pair in first { try pair.client.reset() }
            for _ in 0..<6 {
                let server = try listener.accept()
                try server.send("next")
                try server.reset()
            }
            let answers = try waiting.map { try $0.receiveRest().bytes }
            #expect(answers == Array(repeating: Array("next".utf8), count: 6))
        }
    }

    @Test("If all servers are down, the client is closed immediately")
    func allGone() async throws {
        let listeners = try (0..<2).map { _ in try TestListener() }
        try await withBalancer(over: listeners.map { "\($0.address)" }) { proxy in
            for listener in listeners { listener.close() }
            let rest = try proxy.connect().receiveRest()
            #expect(rest.bytes.isEmpty)
            let refused = try proxy.readMetrics().value("monkey_connections_no_server_total")
            #expect(refused == 1)
        }
    }

    @Test("An invalid server argument is an error that states the correct form")
    func mistakes() async throws {
        try await runMonkey(["balance", "127.0.0.1:0"] + ["127.0.0.1:80,weigth=2"]).expectFailure(
            code: 64,
            naming: "weigth=2"
        )
        try await runMonkey(["balance", "127.0.0.1:0"] + ["127.0.0.1:80,weight=900"]).expectFailure(
            code: 64,
            naming: "0 to 256"
        )
        try await runMonkey(["balance", "127.0.0.1:0"] + ["127.0.0.1:80,backup"]).expectFailure(
            code: 64,
            naming: "backup"
        )
        try await runMonkey(["balance", "127.0.0.1:0"] + ["127.0.0.1"]).expectFailure(code: 64, naming: "127.0.0.1")
    }
}
