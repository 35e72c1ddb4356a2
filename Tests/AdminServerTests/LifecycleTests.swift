import AdminServer
import Foundation
import Logging
import ProcessSupport
import ServiceLifecycle
import Sockets
import Support
import Testing

@Suite("Admin server lifecycle", .ownThreads)
struct LifecycleTests {
    @Test("connections wait until the server runs")
    func beforeRun() async throws {
        let server = try await bindServer()
        let socket = try TestSocket.connect(to: server.testAddress)
        try socket.send("GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n")
        try await running(server) { () throws in
            #expect(try socket.receiveResponse().status == 200)
        }
    }

    @Test("cancellation ends the server and all its connections")
    func cancellation() async throws {
        let server = try await bindServer()
        let address = try server.testAddress
        let idle = try TestSocket.connect(to: address)
        let silent = try TestSocket.connect(to: address)
        try await running(server) {
            try idle.send("GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n")
            #expect(try idle.receiveResponse().status == 200)
        }
        #expect(try idle.receiveRest().bytes.isEmpty)
        #expect(try silent.receiveRest().bytes.isEmpty)
        try await expectRefusal(at: address)
        // The address is free again immediately.
        try await running(bindServer(at: "\(address)")) { () throws in
            #expect(try httpGet("/healthz", from: address).status == 200)
        }
    }

    @Test("the address is free before the server has ended, and open connections are served to the end")
    func stopListening() async throws {
        let server = try await bindServer()
        let address = try server.testAddress
        let idle = try TestSocket.connect(to: address)
        try await running(server) {
            try idle.send("GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n")
            #expect(try idle.receiveResponse().status == 200)
            await server.stopListening()
            try await expectRefusal(at: address)
            try await running(bindServer(at: "\(address)")) { () throws in
                #expect(try httpGet("/healthz", from: address).status == 200)
            }
            for path in ["/healthz", "/metrics"] {
                try idle.send("GET \(path) HTTP/1.1\r\nHost: test\r\n\r\n")
                #expect(try idle.receiveResponse().status == 200)
            }
            await server.stopListening()
        }
        #expect(try idle.receiveRest().bytes.isEmpty)
    }

    @Test("to stop listening returns, whether the server starts, runs, ends or has ended", .timeLimit(.minutes(1)))
    func stopAtAnyTime() async throws {
        for _ in 0..<100 {
            let server = try await bindServer()
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await server.run() }
                for _ in 0..<2 { group.addTask { await server.stopListening() } }
                group.addTask { try await Task.sleep(for: .milliseconds(Int.random(in: 0..<5))) }
                try await group.next()
                group.cancelAll()
                while await group.nextResult() != nil {}
            }
            await server.stopListening()
        }
    }

    @Test("a server that is stopped before it runs returns immediately")
    func stopBeforeRun() async throws {
        let server = try await bindServer()
        let address = try server.testAddress
        await server.stopListening()
        try await expectRefusal(at: address)
        try await server.run()
    }

    @Test("a client that does not read delays the end by at most the limit")
    func stopLimit() async throws {
        var limits = AdminServer.Limits()
        limits.stop = .milliseconds(100)
        limits.request = .seconds(3600)
        let server = try await bindServer(limits: limits)
        let stalled = try TestSocket.connect(to: server.testAddress, receiveBuffer: 4096)
        try await running(server) {
            try stalled.askForMoreThanIsQueued()
            _ = try stalled.receive(upTo: 1)
        }
    }

    @Test("a service group shuts the server down")
    func serviceGroup() async throws {
        let server = try await bindServer()
        let address = try server.testAddress
        let group = ServiceGroup(services: [AdminService(server: server)], logger: Logger(label: "test"))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            #expect(try httpGet("/healthz", from: address).status == 200)
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
        try await expectRefusal(at: address)
    }

    @Test("a second run is an error")
    func runsOnce() async throws {
        let server = try await bindServer()
        try await running(server) { () async throws in
            _ = try httpGet("/healthz", from: server.testAddress)
            await #expect(throws: AdminError.alreadyRun) { try await server.run() }
        }
    }

    @Test("a server that never ran releases its address")
    func neverRun() async throws {
        var server: AdminServer? = try await bindServer()
        let address = try #require(try server?.testAddress)
        server = nil
        try await expectRefusal(at: address)
    }

    private func running(_ server: AdminServer, _ body: () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            try await body()
            group.cancelAll()
            try await group.waitForAll()
        }
    }
}

/// The endpoint as a service, as its documentation shows.
private struct AdminService: Service {
    let server: AdminServer

    func run() async throws {
        try await cancelWhenGracefulShutdown { try await server.run() }
    }
}

@Suite("Admin server bind errors", .ownThreads)
struct BindTests {
    @Test("the error names an address in use")
    func addressInUse() async throws {
        let other = try TestListener(on: .loopback)
        let error = await failure(at: "127.0.0.1:\(other.port)")
        #expect(
            error?.description == "admin endpoint: 127.0.0.1:\(other.port) is in use: "
                + "stop the process that uses it, or choose another port"
        )
    }

    @Test("the error names an address of another machine")
    func foreignAddress() async throws {
        let error = await failure(at: "192.0.2.1:0")
        #expect(
            error?.description == "admin endpoint: cannot listen on 192.0.2.1:0: not an address of this machine: "
                + "use one, such as 127.0.0.1"
        )
    }

    @Test("a host name is resolved")
    func hostName() async throws {
        try await expectService(at: "localhost:0")
    }

    /// Starts a server, and expects that it answers.
    private func expectService(
        at address: String,
        location: SourceLocation = #_sourceLocation
    ) async throws {
        try await withServer(at: address) { address throws in
            #expect(try httpGet("/healthz", from: address).status == 200, sourceLocation: location)
        }
    }

    @Test("a live Unix socket is an error, and a stale one is replaced")
    func staleSocket() async throws {
        try await withScratchFolder { folder in
            let path = "\(folder)/admin"
            try await withServer(at: "unix:\(path)") { address async throws in
                let error = await failure(at: "unix:\(path)")
                #expect(error?.description.contains("is in use") == true)
                #expect(try httpGet("/healthz", from: address).status == 200)
            }
            #expect(!FileManager.default.fileExists(atPath: path), "the socket file was not removed")

            try TestListener(on: .unix(path: path)).close()
            #expect(FileManager.default.fileExists(atPath: path))
            try await expectService(at: "unix:\(path)")
        }
    }

    @Test("a file that is not a socket is not removed")
    func otherFile() async throws {
        try await withScratchFolder { folder in
            let path = "\(folder)/admin"
            try Data("precious".utf8).write(to: URL(fileURLWithPath: path))
            #expect(await failure(at: "unix:\(path)") == .cannotListen(.notASocket(path: path)))
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "precious")
        }
    }

    private func failure(at address: String) async -> AdminError? {
        do {
            _ = try await bindServer(at: address)
            return nil
        } catch {
            return error as? AdminError
        }
    }
}
