import NIOCore
import NIOPosix
import Support
import Testing

@testable import LoadBalancer

@Suite("Health checks that connect to themselves", .ownThreads)
struct SelfConnectTests {
    @Test("a channel that is connected to itself is reset, any other stays open")
    func detection() async throws {
        // An address of its own, so that no connection of another test takes the port that is free below.
        let host = "127.\(UInt8.random(in: 1...250)).\(UInt8.random(in: 1...250)).1"
        let listener = try TestListener(on: .ip(host, port: 0))
        let other = try await bootstrap.connect(host: host, port: Int(listener.port)).get()
        #expect(await !StreamExchange.closeIfConnectedToItself(other))
        #expect(other.isActive)
        // A port that no connection has used: one that has been used may stay in use for a minute.
        let unused = try TestListener(on: .ip(host, port: 0))
        let port = unused.port
        unused.close()
        try await other.close()
        listener.close()
        let address = try NIOCore.SocketAddress(ipAddress: host, port: Int(port))
        let itself = try await bootstrap.bind(to: address).connect(to: address).get()
        #expect(await StreamExchange.closeIfConnectedToItself(itself))
        #expect(!itself.isActive)
        // A reset leaves no connection behind that occupies the port for a minute.
        try await eventually("free port \(port)", within: .seconds(20)) {
            (try? TestListener(on: .ip(host, port: port))) != nil
        }
    }

    private var bootstrap: ClientBootstrap { ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup) }
}
