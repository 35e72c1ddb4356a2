public import ServiceLifecycle
public import TCPProxy

/// A proxy as a service of swift-service-lifecycle: a graceful shutdown of its group drains it.
///
///     let proxy = try await Proxy.bind("127.0.0.1:8080", to: "example.com:80")
///     let group = ServiceGroup(
///         services: [DrainingService(proxy)],
///         gracefulShutdownSignals: [.sigterm],
///         logger: logger
///     )
///     try await group.run()
public struct DrainingService: Service {
    /// The proxy.
    public let proxy: Proxy

    /// Creates the service of a proxy that has not run yet.
    public init(_ proxy: Proxy) {
        self.proxy = proxy
    }

    /// Serves connections until the group's graceful shutdown has drained the proxy. Cancellation resets all
    /// connections.
    ///
    /// - Throws: `ProxyError.alreadyRun` if the proxy has already run.
    public func run() async throws {
        try await withGracefulShutdownHandler {
            try await proxy.run()
        } onGracefulShutdown: {
            proxy.beginShutdown()
        }
    }
}
