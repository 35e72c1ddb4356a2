import Sockets
import Support
import Testing

@testable import TCPProxy

/// Runs a proxy while `body` runs, as an application would, and closes the remaining connections.
func withRunningProxy<Value: Sendable>(
    _ listen: String = "127.0.0.1:0",
    to upstream: TestAddress,
    configure: (inout SingleListenerSettings) -> Void = { _ in },
    _ body: (Proxy) async throws -> Value
) async throws -> Value {
    var settings = SingleListenerSettings()
    settings.threads = 1
    settings.maxConnections = 100
    configure(&settings)
    let proxy = try await Proxy.bind(listen, to: upstream.description, settings: settings)
    return try await proxy.whileRunning { try await body(proxy) }
}

extension Proxy {
    /// Runs the proxy while `body` runs, and closes the remaining connections.
    func whileRunning<Value: Sendable>(_ body: () async throws -> Value) async throws -> Value {
        async let running: Void = run()
        let value: Value
        do {
            try await eventually("readiness of the proxy") { isReady }
            value = try await body()
        } catch {
            await shutdown(grace: .zero)
            try await running
            throw error
        }
        await shutdown(grace: .zero)
        try await running
        return value
    }

    /// Its listen address, for a test's sockets.
    var testAddress: TestAddress { TestAddress(localAddress.description)! }

    /// Connects a client; returns it and the server's end of its connection.
    func connect(through server: TestListener) throws -> (client: TestSocket, server: TestSocket) {
        let client = try TestSocket.connect(to: testAddress)
        return (client, try server.accept())
    }
}
