import Logging
import ServiceLifecycle
import TCPProxy
import TCPProxyService
import UnixSignals

/// A proxy as one service of a larger program: SIGINT or SIGTERM drains the proxy first and then stops its reporter.
@main
struct ServiceExample {
    static func main() async throws {
        let logger = Logger(label: "example")
        let proxy = try await Proxy.bind("127.0.0.1:8080", to: "127.0.0.1:8081")
        logger.info("Proxy listening on \(proxy.localAddress)")
        // A service group shuts its services down in reverse order.
        let group = ServiceGroup(
            services: [Reporter(proxy: proxy, logger: logger), DrainingService(proxy)],
            gracefulShutdownSignals: [.sigint, .sigterm],
            logger: logger
        )
        try await group.run()
    }
}

/// Logs the metrics whenever the number of connections changes, until the proxy has stopped.
struct Reporter: Service {
    let proxy: Proxy
    let logger: Logger

    func run() async throws {
        var connections = 0
        for await snapshot in proxy.snapshots where snapshot.activeConnections != connections {
            connections = snapshot.activeConnections
            logger.info("\(connections) connections, \(snapshot.bytesUpstream) bytes up")
        }
        // The snapshots end with the proxy, slightly before the group starts to shut down. A service must not return
        // before it is shut down, so it waits here.
        try await gracefulShutdown()
    }
}
