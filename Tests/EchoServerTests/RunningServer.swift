import EchoServer
import Sockets
import Support
import Testing

extension EchoServer {
    /// The address that a test connects to.
    var testAddress: TestAddress? { TestAddress("\(localAddress)") }
}

/// Runs a server for the duration of `body`, then stops it.
func withServer<Value>(
    _ listen: String = "127.0.0.1:0",
    _ configure: (inout EchoServer.Configuration) -> Void = { _ in },
    _ body: (EchoServer, TestAddress) async throws -> Value
) async throws -> Value {
    var configuration = EchoServer.Configuration()
    configure(&configuration)
    let server = try await EchoServer.bind(listen, configuration: configuration)
    async let run: Void = server.run()
    do {
        let value = try await body(server, try #require(server.testAddress))
        await server.shutdown(grace: .zero)
        try await run
        return value
    } catch {
        await server.shutdown(grace: .zero)
        throw error
    }
}
