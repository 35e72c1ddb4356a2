import Sockets
import Support
import TCPProxy
import Testing

@testable import AdminServer

@Suite("Metrics of listeners, pools and servers")
struct PoolsResponseTests {
    /// Returns the page of a proxy that is bound and does not run.
    private func page(pools: Int, servers: Int, serverName: (Int) -> String) async throws -> MetricsText {
        let listener = ListenerConfiguration(
            name: "front",
            address: try ServiceAddress(parsing: "127.0.0.1:0"),
            pool: "pool-0"
        )
        let pools = (0..<pools).map { pool in
            PoolConfiguration(
                name: "pool-\(pool)",
                policy: .roundRobin,
                servers: (0..<servers).map { server in
                    let address = InternetAddress(v4: 0x7F00_0001, port: UInt16(1000 + server))
                    return ServerConfiguration(name: serverName(server), address: .internet(address))
                }
            )
        }
        var configuration = ProxyConfiguration()
        configuration.threads = 1
        configuration.maxConnections = 10
        let proxy = try await Proxy.bind(listeners: [listener], pools: pools, configuration: configuration)
        let (listeners, snapshots) = try #require(proxy.pools())
        let response = MetricsResponse(
            snapshot: proxy.snapshot(),
            pools: PoolsResponse(listeners: listeners, pools: snapshots),
            version: "1"
        )
        let text = response.prometheus
        await proxy.shutdown(grace: .zero)
        return MetricsText(text)
    }

    @Test("each server has each series once, with its labels in front")
    func series() async throws {
        let page = try await page(pools: 3, servers: 4) { "server-\($0)" }
        #expect(page.strays.isEmpty)
        #expect(Set(page.types.keys) == Set(page.help.keys))
        var counts: [String: Int] = [:]
        for sample in page.samples where sample.name.hasPrefix("monkey_server_") {
            counts[sample.name, default: 0] += 1
        }
        let perServer = counts.mapValues { $0 / 12 }
        #expect(counts.values.allSatisfy { $0 % 12 == 0 })
        #expect(perServer["monkey_server_up"] == 1)
        #expect(perServer["monkey_server_state"] == ServerState.allCases.count)
        #expect(perServer["monkey_server_bytes_total"] == 2)
        #expect(
            perServer["monkey_server_connections_closed_total"]
                == CloseReason.allCases.count * CloseInitiator.allCases.count
        )
        #expect(perServer["monkey_server_connect_failures_total"] == ConnectFailure.allCases.count)
        #expect(
            perServer["monkey_server_connect_duration_seconds_bucket"] == DurationHistogram.bounds.count + 1
        )
        #expect(perServer["monkey_server_connect_duration_seconds_count"] == 1)
        let labels = ["pool": "pool-2", "server": "server-3"]
        #expect(page.value("monkey_server_up", labels) == 1)
        #expect(page.value("monkey_server_state", labels.merging(["state": "unchecked"]) { first, _ in first }) == 1)
        #expect(page.value("monkey_server_connect_duration_seconds_sum", labels) == 0)
        #expect(page.value("monkey_listener_connections", ["listener": "front"]) == 0)
        #expect(page.value("monkey_listener_denied_total", ["listener": "front", "cause": "address"]) == 0)
        #expect(page.value("monkey_pool_retries_total", ["pool": "pool-1"]) == 0)
    }

    @Test("the names of servers are escaped")
    func escaping() async throws {
        let page = try await page(pools: 1, servers: 1) { _ in "a\"b\\c" }
        #expect(page.strays.isEmpty)
        #expect(page.samples.contains { $0.name == "monkey_server_up" && $0.labels["server"]?.contains("b") == true })
    }
}
