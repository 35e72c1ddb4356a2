import NIOCore
import Support
import Synchronization
import TCPProxy
import Testing

@testable import AdminServer

private let get = "GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n"

@Suite("Admin connections at the limit", .ownThreads)
struct EvictionTests {
    /// What a hostile client does with its connection, and how the test knows that the endpoint has noticed.
    enum Hostile: CaseIterable {
        case silent, slowHead, slowBody, slowReader, keepsAlive, unauthorized

        func hold(_ address: TestAddress) throws -> TestSocket {
            let socket = try TestSocket.connect(to: address, receiveBuffer: 4096)
            switch self {
            case .silent: break
            case .slowHead: try socket.send("GET /healthz HTTP/1.1\r\nX-Slow: ")
            case .slowBody:
                try socket.send("POST /healthz HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\nx")
                #expect(try socket.receiveResponse().status == 405)
            case .slowReader:
                try socket.askForMoreThanIsQueued()
                _ = try socket.receive(upTo: 1)
            case .keepsAlive:
                try socket.send(get)
                #expect(try socket.receiveResponse().status == 200)
            case .unauthorized:
                try socket.send("GET /metrics HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer wrong\r\n\r\n")
            }
            return socket
        }
    }

    @Test("health probes are answered while hostile clients hold all connections", arguments: Hostile.allCases)
    func probes(hostile: Hostile) async throws {
        var limits = AdminServer.Limits()
        limits.connections = 4
        limits.request = .seconds(3600)
        limits.idle = .seconds(3600)
        let token = hostile == .unauthorized ? "0123456789abcdef0123" : nil
        try await withServer(limits: limits, token: token) { address in
            var held: [TestSocket] = []
            for round in 0..<12 {
                held.append(try hostile.hold(address))
                let path = round.isMultiple(of: 2) ? "/healthz" : "/readyz"
                #expect(try httpGet(path, from: address).status == 200)
            }
        }
    }

    @Test("the connection that has been idle longest is closed for a new one")
    func oldestFirst() async throws {
        try await withServer(limits: limits { $0.connections = 2 }) { address in
            let held = try (0..<2).map { _ in try Hostile.keepsAlive.hold(address) }
            try held[0].send(get)
            #expect(try held[0].receiveResponse().status == 200)
            let third = try Hostile.keepsAlive.hold(address)
            #expect(try held[1].receiveRest().bytes.isEmpty)
            for socket in [held[0], third] {
                try socket.send(get)
                #expect(try socket.receiveResponse().status == 200)
            }
        }
    }

    @Test("a connection whose response is being computed is not closed; new ones wait")
    func computing() async throws {
        let control = SlowControl()
        var limits = AdminServer.Limits()
        limits.connections = 2
        limits.operation = .seconds(3600)
        try await withServer(limits: limits, control: control) { address in
            let reloads = try (0..<2).map { _ in
                let socket = try TestSocket.connect(to: address)
                try socket.send("POST /config/reload HTTP/1.1\r\nHost: localhost\r\n\r\n")
                return socket
            }
            try await eventually("two reloads") { control.started == 2 }
            let other = try TestSocket.connect(to: address)
            try other.send(get)
            control.finish(2)
            for socket in reloads { #expect(try socket.receiveResponse().status == 422) }
            #expect(try other.receiveResponse().status == 200)
        }
    }

    @Test("computing a response may take longer than a request may")
    func longOperation() async throws {
        let control = SlowControl()
        try await withServer(limits: limits { $0.request = .seconds(3) }, control: control) { address in
            let reload = try TestSocket.connect(to: address)
            try reload.send("POST /config/reload HTTP/1.1\r\nHost: localhost\r\n\r\n")
            try await eventually("the reload") { control.started == 1 }
            // A silent connection that is accepted now is closed when the time for a request has passed.
            #expect(try TestSocket.connect(to: address).receiveRest().bytes.isEmpty)
            control.finish(1)
            #expect(try reload.receiveResponse().status == 422)
        }
    }

    @Test("an operation that exceeds its time is answered with 504 and continues")
    func operationTimeout() async throws {
        let control = SlowControl()
        try await withServer(limits: limits { $0.operation = .milliseconds(100) }, control: control) { address in
            let response = try httpGet("/config/reload", from: address, method: "POST", host: "localhost")
            #expect(response.status == 504)
            #expect(response.headers["connection"] == "close")
            control.finish(1)
            #expect(try httpGet("/healthz", from: address).status == 200)
        }
    }

    @Test("a response with status 401 closes the connection")
    func unauthorized() async throws {
        try await withServer(token: "0123456789abcdef0123") { address in
            try expectLastResponse(to: "GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n", status: 401, at: address)
        }
    }

    @Test(
        "the order of closing is: without progress, idle, slow; a young connection is last, a computing one is never closed",
        arguments: [
            (.silent, 0), (.lingering, 0), (.idle, 1), (.receiving, 2), (.sending, 2), (.computing, nil),
        ] as [(AdminConnection.Stage, Int?)]
    )
    func order(stage: AdminConnection.Stage, rank: Int?) {
        #expect(AdminConnection.evictionRank(of: stage, after: AdminConnection.patience) == rank)
        let young = AdminConnection.evictionRank(of: stage, after: AdminConnection.patience - .nanoseconds(1))
        #expect(young == (rank == nil ? nil : 2))
    }
}

/// A control whose reloads end when the test says so.
private final class SlowControl: AdminControl {
    private let waiting = Mutex<[CheckedContinuation<Void, Never>]>([])

    var started: Int { waiting.withLock(\.count) }

    func finish(_ count: Int) {
        let first = waiting.withLock { waiting in
            defer { waiting.removeFirst(count) }
            return Array(waiting.prefix(count))
        }
        for continuation in first { continuation.resume() }
    }

    func reload() async -> ReloadOutcome? {
        await withCheckedContinuation { continuation in waiting.withLock { $0.append(continuation) } }
        return .rejected([])
    }

    var reloads: ReloadStatistics? { nil }
    func setAdminState(_ state: ServerAdminState, server: String, pool: String) async {}
    func setWeight(_ weight: Int?, server: String, pool: String) async {}
    func rebalance(_ percent: Int, server: String, pool: String) async -> Int { 0 }
    func connections(_ filter: ConnectionFilter, limit: Int) async -> ConnectionsSnapshot { .init() }
    func closeConnections(_ filter: ConnectionFilter) async -> Int { 0 }
}
