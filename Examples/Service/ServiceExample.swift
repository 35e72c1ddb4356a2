import Logging
import ServiceLifecycle
import TCPProxy
import UnixSignals

/// A proxy among the services of a larger program: SIGINT or SIGTERM drains it, and only then ends what reports on it.
@main
struct ServiceExample {
    static func main() async throws {
        let logger = Logger(label: "example")
        let proxy = try await Proxy.bind("127.0.0.1:8080", to: "127.0.0.1:8081")
        logger.info("Proxy listening on \(proxy.localAddress)")
        // A group shuts its services down from the last to the first.
        let group = ServiceGroup(
            services: [Reporter(proxy: proxy, logger: logger), proxy],
            gracefulShutdownSignals: [.sigint, .sigterm],
            logger: logger
        )
        try await group.run()
    }
}

/// Logs the figures whenever they have changed, until the proxy has ended.
struct Reporter: Service {
    let proxy: Proxy
    let logger: Logger

    func run() async throws {
        var connections = 0
        for await snapshot in proxy.snapshots where snapshot.activeConnections != connections {
            connections = snapshot.activeConnections
            logger.info("\(connections) connections, \(snapshot.bytesUpstream) bytes up")
        }
        // The figures end with the proxy, a moment before the group knows; and it wants no service to end untold.
        try await gracefulShutdown()
    }
}
