import FakeSystem
import Sockets
import Testing
import Workers

@testable import TCPProxy

@Suite("Connections are handed over to workers that have fewer")
struct HandOverTests {
    /// Connects clients that all arrive at the first worker's socket.
    private func connect(_ count: Int, to proxy: FakeProxy) -> [FakePeer] {
        (0..<count).map { _ in
            let client = proxy.connect(to: 0)
            client.send("hello")
            proxy.settle()
            return client
        }
    }

    private func loads(_ proxy: FakeProxy, workers: Int) -> [Int] { (0..<workers).map { proxy.memory.loads[$0] } }

    @Test("32 that last, on 4 workers: the most loaded has at most one and a half times the mean")
    func even() throws {
        try withProxy(workers: 4) { proxy in
            let clients = connect(32, to: proxy)
            let loads = loads(proxy, workers: 4)
            #expect(loads.reduce(0, +) == 32)
            #expect(loads.max()! <= 12)
            #expect((0..<4).map { proxy[$0].connectionCount } == loads)
            #expect(proxy.server.connections.map(\.text) == Array(repeating: "hello", count: 32))
            for client in clients { client.reset() }
            proxy.settle()
            #expect(self.loads(proxy, workers: 4) == [0, 0, 0, 0])
        }
    }

    @Test("a few more than others is no reason, for that evens out by itself")
    func few() throws {
        try withProxy(workers: 2) { proxy in
            _ = connect(3, to: proxy)
            #expect(loads(proxy, workers: 2) == [3, 0] || loads(proxy, workers: 2) == [2, 1])
        }
    }

    @Test("a worker that is about to end gets none")
    func ending() throws {
        try withProxy(workers: 2) { proxy in
            proxy.post(.stopAccepting, to: 1)
            proxy.advance(by: .seconds(1))
            #expect(proxy[1].isDone)
            let clients = connect(10, to: proxy)
            #expect(proxy[0].connectionCount == 10)
            #expect(clients.allSatisfy { $0.end == nil })
        }
    }

    @Test("one that was cut resets what still reaches it, and counts it nowhere")
    func cut() throws {
        try withProxy(workers: 2) { proxy in
            let clients = (0..<8).map { _ in proxy.connect(to: 0) }
            // The first worker has its turn, and its handed-over connections wait in the mailbox of the second,
            // which receives `.cut` first.
            proxy.post(.cut, to: 1)
            proxy.turn(0)
            proxy.settle()
            proxy.post(.cut, to: 0)
            proxy.settle()
            #expect(clients.allSatisfy { $0.end == .failed(.connectionReset) })
            #expect(proxy.active == 0)
        }
    }

    @Test("where too much waits in the mailbox the one who accepted keeps it")
    func manyMessages() throws {
        try withProxy(workers: 2) { proxy in
            for _ in 0..<WorkerSettings.handedOverAtMost { proxy.post(.resumeAccepting, to: 1) }
            for _ in 0..<10 { _ = proxy.connect(to: 0) }
            proxy.turn(0)
            #expect(proxy[0].connectionCount == 10)
            #expect(loads(proxy, workers: 2) == [10, 0])
        }
    }
}
