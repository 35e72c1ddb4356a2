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
    async let running: Void = proxy.run()
    let value: Value
    do {
        try await eventually("readiness of the proxy") { proxy.isReady }
        value = try await body(proxy)
    } catch {
        await proxy.shutdown(grace: .zero)
        try await running
        throw error
    }
    await proxy.shutdown(grace: .zero)
    try await running
    return value
}

extension Proxy {
    /// Its listen address, for a test's sockets.
    var testAddress: TestAddress { TestAddress(localAddress.description)! }

    /// Connects a client; returns it and the server's end of its connection.
    func connect(through server: TestListener) throws -> (client: TestSocket, server: TestSocket) {
        let client = try TestSocket.connect(to: testAddress)
        return (client, try server.accept())
    }
}
