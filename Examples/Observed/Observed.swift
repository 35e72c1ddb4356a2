import TCPProxy

/// Observes a proxy from within the program: prints its connection events and metrics, and shuts the proxy down after
/// the first connection has closed.
@main
struct Observed {
    static func main() async throws {
        var listener = ListenerConfiguration(address: try ServiceAddress(parsing: "127.0.0.1:8080"))
        listener.timeouts.idle = .seconds(60)
        var configuration = ProxyConfiguration()
        configuration.threads = 1
        configuration.grace = .seconds(5)
        let proxy = try await Proxy.bind(
            listener,
            to: try ServiceAddress(parsing: "127.0.0.1:8081"),
            configuration: configuration
        )
        print("Proxy listening on \(proxy.localAddress)")

        try await withThrowingTaskGroup { group in
            group.addTask { await logEvents(of: proxy) }
            group.addTask { await tellFigures(of: proxy) }
            group.addTask { try await proxy.run() }
            try await group.waitForAll()
        }
        let drain = proxy.drainSummary
        print("Drained: \(drain.ended) connections completed, \(drain.forced) closed forcibly")
    }

    /// Prints events until the proxy has stopped. A slow reader misses events and does not block the proxy, so nothing
    /// is counted here.
    static func logEvents(of proxy: Proxy) async {
        for await event in proxy.events {
            switch event {
            case .connectionOpened(let id, let client, let active, _):
                print("\(id): \(client) connected, \(active) active")
            case .bytesUpstream(let id, _, let count):
                print("\(id): \(count) bytes to the server")
            case .bytesDownstream(let id, _, let count):
                print("\(id): \(count) bytes to the client")
            case .connectionClosed(let id, _, let reason, let side, _):
                print("\(id): \(reason) by the \(side)")
                await proxy.shutdown()
            }
        }
    }

    /// Prints the totals after the proxy has stopped. Snapshots are exact even if the reader is slow.
    static func tellFigures(of proxy: Proxy) async {
        var last = MetricsSnapshot()
        for await snapshot in proxy.snapshots { last = snapshot }
        print("Total: \(last.bytesUpstream) bytes up, \(last.bytesDownstream) bytes down")
    }
}
