import FakeSystem
import Glibc
import Sockets
import Testing

@testable import TCPProxy

@Suite("Dialing")
struct DialTests {
    @Test(
        "the number of attempts is limited by the pool",
        arguments: [(nil, 1), (1, 2), (2, 3), (10, 4)] as [(Int?, Int)]
    )
    func attempts(retry: Int?, expected: Int) throws {
        try withProxy(
            upstreams: 4,
            pool: { pool in
                pool.policy = .first
                pool.retry = retry
            }
        ) { proxy in
            for server in proxy.servers { server.answer = .fail(.connectionRefused) }
            let client = proxy.connect()
            proxy.settle()
            #expect(proxy.servers.map(\.attempts).reduce(0, +) == expected)
            #expect(client.end == .failed(.connectionReset))
            #expect(proxy.closures == [.by(.server, .connectFailed): 1])
        }
    }

    @Test("addresses are tried in turn until one answers")
    func triesAll() throws {
        try withProxy(upstreams: 4) { proxy in
            proxy.servers[0].answer = .fail(.connectionRefused)
            proxy.servers[1].answer = .failAtOnce(SystemError(code: ENETUNREACH))
            proxy.servers[2].answer = .fail(SystemError(code: EHOSTUNREACH), after: .milliseconds(10))
            let client = proxy.connect()
            client.send("hello")
            proxy.advance(by: .milliseconds(10))
            #expect(proxy.servers.map(\.attempts) == [1, 1, 1, 1])
            #expect(proxy.servers[3].connections.first?.text == "hello")
            #expect(proxy.failures == [.refused: 1, .unreachable: 2])
            #expect(proxy[.refused] == 0)
        }
    }

    @Test("if no address answers, each is tried once and the client is reset immediately")
    func allRefuse() throws {
        try withProxy(upstreams: 3) { proxy in
            for server in proxy.servers { server.answer = .fail(.connectionRefused) }
            let client = proxy.connect()
            client.send("hello")
            proxy.settle()
            #expect(client.end == .failed(.connectionReset))
            #expect(proxy.servers.map(\.attempts) == [1, 1, 1])
            #expect(proxy.failures == [.refused: 3])
            #expect(proxy[.refused] == 1)
            #expect(proxy.closures == [.by(.server, .connectFailed): 1])
        }
    }

    @Test("the last address that answered is tried first for the next client")
    func preferred() throws {
        try withProxy(upstreams: 3) { proxy in
            proxy.servers[0].answer = .fail(.connectionRefused)
            _ = try proxy.connectThrough(server: proxy.servers[1])
            _ = try proxy.connectThrough(server: proxy.servers[1])
            #expect(proxy.servers.map(\.attempts) == [1, 2, 0])

            proxy.servers[1].answer = .fail(.connectionRefused)
            proxy.servers[2].answer = .fail(.connectionRefused)
            proxy.servers[0].answer = .accept()
            _ = try proxy.connectThrough(server: proxy.servers[0])
            #expect(proxy.servers.map(\.attempts) == [2, 3, 1])
        }
    }

    @Test("only the duration of a successful attempt is recorded")
    func connectTime() throws {
        try withProxy(upstreams: 2) { proxy in
            proxy.servers[0].answer = .fail(.connectionRefused, after: .seconds(1))
            proxy.servers[1].answer = .accept(after: .seconds(3))
            _ = proxy.connect()
            proxy.advance(by: .seconds(4))
            #expect(proxy.servers[1].connections.count == 1)
            #expect(proxy[.connectNanoseconds] == 3_000_000_000)
            let bucket = try #require(DurationHistogram.bounds.firstIndex(of: 5))
            #expect(proxy[.connectTime(bucket: bucket)] == 1)
            let all = (0...DurationHistogram.bounds.count).reduce(0) { $0 + proxy[.connectTime(bucket: $1)] }
            #expect(all == 1)
        }
    }

    @Test("source addresses rotate, and all attempts of a connection use the same one")
    func sources() throws {
        let sources = ["127.0.0.2:0", "127.0.0.3:0"].map { PeerAddress($0) }
        try withProxy(
            upstreams: 2,
            configure: { configuration in
                configuration.sourceAddresses = sources.map { source in
                    guard case .internet(var address) = source else { preconditionFailure() }
                    // A fixed port would permit one connection only.
                    address.port = 1234
                    return address
                }
            }
        ) { proxy in
            proxy.servers[0].answer = .fail(.connectionRefused)
            proxy.servers[1].answer = .fail(.connectionRefused)
            for _ in 0..<3 { _ = proxy.connect() }
            proxy.settle()
            #expect(proxy.servers[0].sources == [sources[1], sources[0], sources[1]])
            #expect(proxy.servers[1].sources == [sources[1], sources[0], sources[1]])
        }
    }

    @Test("a server socket that cannot be registered is closed, and the next address is tried")
    func registerFails() throws {
        try withProxy(upstreams: 2) { proxy in
            _ = try proxy.connectThrough()
            let client = proxy.connect()
            // The listener and the client are registered; the server is next.
            proxy.servers[0].onConnect = { _ in
                proxy.world.faults.fail(.register, with: SystemError(code: ENOSPC))
            }
            client.send("hello")
            proxy.settle()
            #expect(proxy.servers[1].connections.first?.text == "hello")
            #expect(proxy.failures == [.other: 1])
            #expect(proxy.world.openDescriptors.count == 5)
        }
    }

    @Test("a change of addresses during a dial does not fail the client")
    func candidatesChange() throws {
        try withProxy(upstreams: 3) { proxy in
            proxy.servers[0].answer = .fail(.connectionRefused)
            proxy.servers[1].answer = .fail(.connectionRefused)
            proxy.servers[2].answer = .fail(.connectionRefused, after: .seconds(1))
            let client = proxy.connect()
            proxy.settle()
            let other = proxy.world.serve(SocketAddress("10.0.1.1:80"))
            try proxy.change(to: [other.address])
            proxy.advance(by: .seconds(1))
            #expect(client.end == .failed(.connectionReset))

            let next = try proxy.connectThrough(server: other)
            next.client.send("hello")
            proxy.settle()
            #expect(next.server.text == "hello")
        }
    }

    @Test("a Unix socket connects or fails immediately")
    func unix() throws {
        try withProxy { proxy in
            let path = SocketAddress.unix(path: "/run/server")
            try proxy.change(to: [path])
            let refused = proxy.connect()
            proxy.settle()
            #expect(refused.end == .failed(.connectionReset))
            #expect(proxy.failures == [.refused: 1])

            let server = proxy.world.serve(path)
            let (client, peer) = try proxy.connectThrough(server: server)
            client.send("hello")
            peer.send("world")
            proxy.settle()
            #expect(peer.text == "hello")
            #expect(client.text == "world")
        }
    }
}

@Suite("Resource exhaustion at connect")
struct ConnectExhaustionTests {
    @Test(
        "exhaustion does not count as a server failure: the same address is retried until it works",
        arguments: [EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL, EAGAIN]
    )
    func retries(code: Int32) throws {
        try withProxy(upstreams: 2) { proxy in
            proxy.world.faults.fail(.connect, with: SystemError(code: code), times: 5)
            let client = proxy.connect()
            client.send("hello")
            proxy.advance(by: WorkerSettings.dialRetryInterval * 5 - .milliseconds(1))
            #expect(proxy.server.attempts == 0)
            proxy.advance(by: .milliseconds(1))
            #expect(proxy.servers.map(\.attempts) == [1, 0])
            #expect(proxy.server.connections.first?.text == "hello")
            #expect(proxy.failures == [.exhausted: 5])
        }
    }

    @Test("exhaustion ends at the connect deadline, after a limited number of retries")
    func deadline() throws {
        try withProxy { proxy in
            proxy.world.faults.fail(.connect, with: .tooManyOpenFiles, times: 10_000)
            let client = proxy.connect()
            proxy.settle()
            let waits = proxy.waits
            proxy.advance(by: .milliseconds(14_999))
            #expect(client.end == nil)
            proxy.advance(by: .milliseconds(1))
            #expect(client.end == .failed(.connectionReset))
            #expect(proxy[.failure(.exhausted)] == 750)
            #expect(proxy[.failure(.timeout)] == 1)
            #expect(proxy[.refused] == 1)
            #expect(proxy.waits - waits <= 3 * 750)
        }
    }

    @Test("at the descriptor limit a waiting client gets its server when another connection ends")
    func atTheLimit() throws {
        try withProxy { proxy in
            let first = try proxy.connectThrough()
            proxy.world.descriptorLimit = proxy.world.openDescriptors.count + 1
            let second = proxy.connect()
            second.send("hello")
            proxy.settle()
            #expect(proxy.active == 2)
            #expect(proxy.server.connections.count == 1)
            first.client.close()
            first.server.close()
            proxy.advance(by: WorkerSettings.dialRetryInterval)
            #expect(proxy.server.connections.count == 2)
            #expect(proxy.server.connections[1].text == "hello")
        }
    }

    @Test("at the descriptor limit no client is accepted before a waiting one has its server")
    func beforeThoseInTheQueue() throws {
        try withProxy { proxy in
            var served = [try proxy.connectThrough(), try proxy.connectThrough()]
            proxy.world.descriptorLimit = proxy.world.openDescriptors.count + 1
            for number in 1...6 {
                proxy.connect().send("client \(number)")
                proxy.settle()
            }
            #expect(proxy.active == 3)
            while let next = served.popLast() {
                next.client.close()
                next.server.close()
                proxy.advance(by: WorkerSettings.acceptRetryInterval)
            }
            #expect(proxy.server.connections.dropFirst(2).map(\.text) == ["client 1", "client 2"])
            #expect(proxy.active == 3)
        }
    }

    @Test("a socket that connects to itself counts as refused")
    func itself() throws {
        try withProxy(upstreams: 2) { proxy in
            proxy.servers[0].answer = .itself
            let client = proxy.connect()
            proxy.settle()
            client.send("hello")
            proxy.settle()
            #expect(proxy.servers[1].connections.map(\.text) == ["hello"])
            #expect(proxy[.failure(.refused)] == 1)
            #expect(client.received == [])
        }
        try withProxy { proxy in
            proxy.server.answer = .itself
            let client = proxy.connect()
            client.send("hello")
            proxy.settle()
            #expect(client.received == [])
            #expect(client.end == .failed(.connectionReset))
            #expect(proxy.closures == [.by(.server, .connectFailed): 1])
        }
    }
}
