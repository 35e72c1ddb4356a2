import EventLoop
import FakeSystem
import Sockets
import Testing

@testable import TCPProxy

@Suite("Connections are handed over to less loaded workers")
struct HandoverTests {
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

    @Test("with 32 lasting connections on 4 workers, the maximum load is at most 1.5 times the mean")
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

    @Test("a small imbalance causes no handover")
    func few() throws {
        try withProxy(workers: 2) { proxy in
            _ = connect(3, to: proxy)
            #expect(loads(proxy, workers: 2) == [3, 0] || loads(proxy, workers: 2) == [2, 1])
        }
    }

    @Test("a stopping worker receives no handover")
    func ending() throws {
        try withProxy(workers: 2) { proxy in
            proxy.stopAccepting(1)
            #expect(proxy[1].isDone)
            let clients = connect(10, to: proxy)
            #expect(proxy[0].connectionCount == 10)
            #expect(clients.allSatisfy { $0.end == nil })
        }
    }

    @Test("a stopped worker resets connections handed to it, and does not count them")
    func forced() throws {
        try withProxy(workers: 2) { proxy in
            let clients = (0..<8).map { _ in proxy.connect(to: 0) }
            // The first worker has its turn, and its handed-over connections wait in the mailbox of the second,
            // which receives `.forced` first.
            proxy.post(.closeAll, to: 1)
            proxy.turn(0)
            proxy.settle()
            proxy.post(.closeAll, to: 0)
            proxy.settle()
            #expect(clients.allSatisfy { $0.end == .failed(.connectionReset) })
            #expect(proxy.active == 0)
        }
    }

    @Test("a connection stays with its worker if the target's mailbox is too full")
    func manyMessages() throws {
        try withProxy(workers: 2) { proxy in
            for _ in 0..<WorkerSettings.maxHandedOver { proxy.post(.resumeAccepting, to: 1) }
            for _ in 0..<10 { _ = proxy.connect(to: 0) }
            proxy.turn(0)
            #expect(proxy[0].connectionCount == 10)
            #expect(loads(proxy, workers: 2) == [10, 0])
        }
    }
}
