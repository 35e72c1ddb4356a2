import Foundation
import Support
import Testing

@Suite("HTTP endpoint", .ownThreads, .serialized, .timeLimit(.minutes(2)))
struct MetricsTests {
    @Test("/metrics is Prometheus text that begins with the four promised series")
    func prometheus() async throws {
        let upstream = try TestListener()
        try await withProxy(to: upstream, metrics: true) { proxy in
            let pair = try RelayedPair(through: proxy, to: upstream)
            try pair.client.send(Array(repeating: 1, count: 1000))
            _ = try pair.server.receive(exactly: 1000)
            pair.client.close()
            pair.server.close()
            try await eventually("end of the connection") { try proxy.readMetrics().value("connections_active") == 0 }

            let response = try proxy.get("/metrics")
            #expect(response.status == 200)
            #expect(response.headers["content-type"]?.hasPrefix("text/plain; version=0.0.4") == true)
            let metrics = MetricsText(response.body)
            #expect(metrics.strays == [])
            #expect(
                metrics.samples.prefix(4) == [
                    .init(name: "connections_active", value: 0),
                    .init(name: "connections_total", value: 1),
                    .init(name: "bytes_upstream", value: 1000),
                    .init(name: "bytes_downstream", value: 0),
                ]
            )
            #expect(metrics.types["connections_active"] == "gauge")
            #expect(metrics.types["connections_total"] == "counter")
            #expect(metrics.types["bytes_upstream"] == "untyped")
            #expect(metrics.types["bytes_downstream"] == "untyped")
            #expect(metrics.value("monkey_bytes_total", ["direction": "upstream"]) == 1000)
            #expect(metrics.value("monkey_bytes_total", ["direction": "downstream"]) == 0)

            // Every family has HELP and TYPE, and counters follow the naming convention.
            for sample in metrics.samples {
                let families = metrics.types.keys.filter { sample.name == $0 || sample.name.hasPrefix("\($0)_") }
                let family = try #require(families.max { $0.count < $1.count }, "\(sample.name)")
                let type = metrics.types[family]
                #expect(metrics.help[family]?.isEmpty == false, "\(family)")
                if type == "counter" { #expect(sample.name.hasSuffix("_total")) }
            }
        }
    }

    @Test("Metrics of open connections become current, those of closed ones are exact", arguments: [1, 2])
    func freshness(threads: Int) async throws {
        let upstream = try TestListener()
        try await withProxy(to: upstream, ["--threads", "\(threads)"], metrics: true) { proxy in
            let pairs = try (0..<10).map { _ in try RelayedPair(through: proxy, to: upstream) }
            for (number, pair) in pairs.enumerated() {
                try pair.client.send(Array(repeating: 1, count: 100 + number))
                _ = try pair.server.receive(exactly: 100 + number)
                try pair.server.send(Array(repeating: 1, count: 7))
                _ = try pair.client.receive(exactly: 7)
            }
            try await eventually("metrics of the open connections") {
                let open = try proxy.readMetrics()
                return open.value("connections_active") == 10 && open.value("connections_total") == 10
                    && open.value("bytes_upstream") == 1045 && open.value("bytes_downstream") == 70
            }

            for pair in pairs.prefix(4) {
                try pair.client.reset()
                _ = try pair.server.receiveRest()
            }
            try await eventually("end of four connections") {
                try proxy.readMetrics().value("connections_active") == 6
            }
            let closed = try proxy.readMetrics()
            #expect(closed.value("connections_total") == 10)
            #expect(closed.value("bytes_upstream") == 1045)
            #expect(closed.value("bytes_downstream") == 70)
        }
    }

    @Test("Failed connections are counted by cause")
    func failures() async throws {
        let upstream = try TestListener()
        try await withProxy(to: upstream, metrics: true) { proxy in
            upstream.close()
            for _ in 0..<3 { _ = try proxy.connect().receiveRest() }
            try await eventually("three refused connections") {
                try proxy.readMetrics().value("monkey_connections_no_server_total") == 3
            }
            let metrics = try proxy.readMetrics()
            #expect(metrics.value("monkey_connect_failures_total", ["cause": "refused"]) == 3)
            #expect(metrics.value("monkey_connect_failures_total", ["cause": "timeout"]) == 0)
        }
        let full = try FullListener()
        try await withProxy(to: full.listener, ["--connect-timeout", "200ms"], metrics: true) { proxy in
            _ = try proxy.connect().receiveRest()
            try await eventually("a connect that timed out") {
                try proxy.readMetrics().value("monkey_connect_failures_total", ["cause": "timeout"]) == 1
            }
            #expect(try proxy.readMetrics().value("monkey_connections_no_server_total") == 1)
        }
    }

    @Test("In JSON the four promised members come first, in this order")
    func json() async throws {
        let upstream = try TestListener()
        try await withProxy(to: upstream, metrics: true) { proxy in
            let pair = try RelayedPair(through: proxy, to: upstream)
            try pair.exchange()
            try await eventually("bytes in the metrics") { try proxy.readMetrics().value("bytes_downstream") == 4 }
            let response = try proxy.get("/metrics?format=json")
            #expect(response.status == 200)
            #expect(response.headers["content-type"]?.hasPrefix("application/json") == true)
            let object = try response.jsonObject()
            #expect(object["active_connections"] as? Int == 1)
            #expect(object["total_connections"] as? Int == 1)
            #expect(object["bytes_upstream"] as? Int == 4)
            #expect(object["bytes_downstream"] as? Int == 4)
            let keys = response.body.matches(of: /"([a-z_]+)"\s*:/).map { String($0.output.1) }
            #expect(
                keys.prefix(4) == ["active_connections", "total_connections", "bytes_upstream", "bytes_downstream"]
            )
        }
    }

    @Test("/clients lists clients separately")
    func clients() async throws {
        let upstream = try TestListener()
        try await withProxy(to: upstream, metrics: true) { proxy in
            var pairs: [RelayedPair] = []
            for (host, count) in [("127.0.0.2", 2), ("127.0.0.3", 1)] {
                for _ in 0..<count {
                    let client = try TestSocket.connect(to: proxy.address, from: .ip(host, port: 0))
                    let pair = RelayedPair(client: client, server: try upstream.accept())
                    try pair.exchange()
                    pairs.append(pair)
                }
            }
            pairs[0].client.close()
            pairs[0].server.close()
            try await eventually("end of one connection") {
                try proxy.readMetrics().value("connections_active") == 2
            }
            try await eventually("complete statistics of two clients") {
                let response = try proxy.get("/clients")
                #expect(response.status == 200)
                let clients = try #require(try response.jsonObject()["clients"] as? [[String: Any]])
                let second = clients.first { ($0["address"] as? String)?.contains("127.0.0.2") == true }
                let third = clients.first { ($0["address"] as? String)?.contains("127.0.0.3") == true }
                return clients.count == 2
                    && second?["active_connections"] as? Int == 1 && second?["total_connections"] as? Int == 2
                    && second?["bytes_upstream"] as? Int == 8 && second?["bytes_downstream"] as? Int == 8
                    && third?["active_connections"] as? Int == 1 && third?["total_connections"] as? Int == 1
                    && third?["bytes_upstream"] as? Int == 4
            }
            let page = try proxy.get("/clients").jsonObject()
            let clients = try #require(page["clients"] as? [[String: Any]])
            for client in clients {
                let first = try #require(client["first_seen"] as? String)
                let last = try #require(client["last_seen"] as? String)
                // RFC 3339 in UTC, so the texts sort by time.
                #expect(first.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/) != nil)
                #expect(first <= last)
            }
            #expect(page["other"] != nil)
        }
    }

    @Test(
        "Paths and methods return their documented status",
        arguments: [
            ("GET", "/", 404), ("GET", "/metrics2", 404), ("GET", "/%2e%2e/etc/passwd", 404), ("GET", "//", 404),
            ("POST", "/metrics", 405), ("DELETE", "/clients", 405), ("PUT", "/healthz", 405), ("POST", "/readyz", 405),
            ("GET", "/healthz", 200), ("GET", "/readyz", 200), ("GET", "/clients", 200),
        ]
    )
    func statuses(method: String, path: String, status: Int) async throws {
        try await withProxy(to: "echo", metrics: true) { proxy in
            let response = try proxy.get(path, method: method)
            #expect(response.status == status)
        }
    }

    @Test(
        "A malformed request gets an error, and the endpoint stays up",
        arguments: [
            "nonsense\r\n\r\n", "GET\r\n\r\n", "GET /metrics HTTP/9.9\r\n\r\n", "\u{0}\u{1}\u{2}\r\n\r\n",
            "GET /metrics HTTP/1.1\r\nno colon here\r\n\r\n",
            "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{FC}\u{3}\u{3}",
            "GET /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
            "GET /metrics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ]
    )
    func malformed(request: String) async throws {
        try await withProxy(to: "echo", metrics: true) { proxy in
            let socket = try TestSocket.connect(to: #require(proxy.metrics), limit: .seconds(60))
            try socket.send(request)
            let answer = try socket.receiveRest().text
            #expect(answer.isEmpty || answer.hasPrefix("HTTP/1.1 4"), "\(answer)")
            #expect(try proxy.get("/healthz").status == 200)
        }
    }

    @Test("An endless request gets an error or a timeout, and the endpoint stays up")
    func endless() async throws {
        try await withProxy(to: "echo", metrics: true) { proxy in
            let endpoint = try #require(proxy.metrics)
            // Unbounded in size: header after header, then one header without an end.
            let headers = String(repeating: "X-Header: some value\r\n", count: 50)
            for chunk in [headers, String(repeating: "a", count: 1024)] {
                let socket = try TestSocket.connect(to: endpoint)
                try socket.send("GET /metrics HTTP/1.1\r\nHost: a\r\n")
                try await eventually("end of an endless request", within: .seconds(60)) {
                    do {
                        _ = try socket.sendWithoutWaiting(Array(chunk.utf8))
                        return false
                    } catch let failure as SystemFailure {
                        return failure.isEndOfConnection
                    }
                }
            }
            // Unbounded in time: a request that never continues, and one that trickles.
            let silent = try TestSocket.connect(to: endpoint, limit: .seconds(60))
            try silent.send("GET /metr")
            let dripping = try TestSocket.connect(to: endpoint, limit: .seconds(60))
            try dripping.send("GET /metrics HTTP/1.1\r\nHost: a\r\nX: ")
            try await eventually("end of a dripping request", within: .seconds(60)) {
                do {
                    return try dripping.sendWithoutWaiting([97]) == 0
                } catch let failure as SystemFailure {
                    return failure.isEndOfConnection
                }
            }
            _ = try silent.receiveRest()
            #expect(try proxy.get("/healthz").status == 200)
        }
    }

    @Test("Many silent connections block neither the endpoint permanently nor the proxy")
    func crowd() async throws {
        try await withProxy(to: "echo", metrics: true) { proxy in
            let endpoint = try #require(proxy.metrics)
            let crowd = try (0..<50).map { _ in try TestSocket.connect(to: endpoint) }
            let client = try proxy.connect()
            try client.send("hello")
            try client.receive("hello")
            client.close()
            #expect(try httpGet("/healthz", from: endpoint, limit: .seconds(90)).status == 200)
            try proxy.end()
            for socket in crowd { socket.close() }
        }
    }

    @Test("With --admin off there is no endpoint")
    func off() async throws {
        try await withProxy(to: "echo") { proxy in
            try proxy.end()
            #expect(!proxy.program.outputLines.contains { $0.contains("Metrics on") })
        }
    }
}

extension HTTPResponse {
    fileprivate func jsonObject() throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(body.utf8)) as? [String: Any])
    }
}
