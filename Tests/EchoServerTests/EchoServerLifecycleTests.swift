import EchoServer
import Foundation
import Sockets
import Support
import Testing

@Suite("Echo server lifecycle", .ownThreads, .timeLimit(.minutes(2)))
struct EchoServerLifecycleTests {
    @Test("A shutdown waits for connections until the grace period ends")
    func shutdown() async throws {
        let server = try await EchoServer.bind("127.0.0.1:0")
        let address = try #require(server.testAddress)
        async let run: Void = server.run()
        let (first, second) = (try TestSocket.connect(to: address), try TestSocket.connect(to: address))
        for client in [first, second] {
            try client.send("x")
            try client.receive("x")
        }
        async let shutdown: Void = server.shutdown(grace: .seconds(3))
        try await eventually("refusal of new connections") {
            do {
                try TestSocket.connect(to: address).close()
                return false
            } catch let failure as SystemFailure {
                return failure.code == ECONNREFUSED || failure.code == ECONNRESET
            }
        }
        try first.send("served")
        try first.receive("served")
        try first.finish()
        #expect(try first.receiveRest().end == .fin)
        #expect(try second.receiveRest().end == .reset)
        await shutdown
        try await run
        #expect(server.counters.forced == 1)
        #expect(server.counters.active == 0)
    }

    @Test("Cancellation resets connections immediately")
    func cancellation() async throws {
        let server = try await EchoServer.bind("127.0.0.1:0")
        let task = Task { try await server.run() }
        let client = try TestSocket.connect(to: try #require(server.testAddress))
        try client.send("x")
        try client.receive("x")
        task.cancel()
        try await task.value
        #expect(try client.receiveRest().end == .reset)
        #expect(server.counters.forced == 1)
    }

    @Test("A task canceled before it runs returns")
    func cancelledBefore() async throws {
        let server = try await EchoServer.bind("127.0.0.1:0", configuration: .init())
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            try await server.run()
        }
        task.cancel()
        try await task.value
    }

    @Test("A server runs only once")
    func runsOnce() async throws {
        try await withServer { server, address in
            // The server is running, since it responds.
            let client = try TestSocket.connect(to: address)
            try client.send("x")
            try client.receive("x")
            await #expect(throws: EchoServerError.alreadyRun) { try await server.run() }
        }
    }

    @Test("A shutdown before run releases the port, and a later run returns")
    func neverRun() async throws {
        let server = try await EchoServer.bind("127.0.0.1:0")
        await server.shutdown()
        let again = try await EchoServer.bind("\(server.localAddress)")
        try await server.run()
        await again.shutdown()
    }

    @Test("An unused bound server releases its port and its file")
    func forgotten() async throws {
        func bound(_ listen: String) async throws -> SocketAddress {
            try await EchoServer.bind(listen, configuration: .init()).localAddress
        }
        let address = try await bound("127.0.0.1:0")
        // A program that another test is starting may hold a copy of it for a moment.
        try await eventually("bind to the same port") { (try? await bound("\(address)")) == address }
        try await withScratchFolder { folder in
            _ = try await bound("unix:\(folder)/s")
            #expect(!FileManager.default.fileExists(atPath: "\(folder)/s"))
        }
    }

    @Test("Clients that connect before run are served")
    func early() async throws {
        let server = try await EchoServer.bind("127.0.0.1:0")
        let client = try TestSocket.connect(to: try #require(server.testAddress))
        try client.send("early")
        async let run: Void = server.run()
        try client.receive("early")
        client.close()
        await server.shutdown()
        try await run
    }
}
