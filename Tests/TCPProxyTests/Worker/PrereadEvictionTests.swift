import FakeSystem
import Sockets
import Testing

@testable import TCPProxy

@Suite("Eviction of connections in preread")
struct PrereadEvictionTests {
    private let block = CIDRBlock(InternetAddress(v4: 0x0A0A_0A0A, port: 0))

    /// Trusted proxies of one network send a header; all other clients are served directly.
    private func optional(_ configuration: inout SingleListenerSettings) {
        configuration.accessPolicy.proxies = TrustedProxies(header: .optional, networks: [block])
    }

    private func connectSilently(_ count: Int, to proxy: FakeProxy, on worker: Int? = nil) -> [FakePeer] {
        (0..<count).map { _ in
            let client = proxy.connect(from: trustedProxy, to: worker)
            proxy.settle()
            return client
        }
    }

    @Test("at the connection limit, the oldest silent clients make room for new ones")
    func silent() throws {
        try withProxy(limit: 4, configure: optional) { proxy in
            let silent = connectSilently(4, to: proxy)
            proxy.advance(by: .seconds(2))
            #expect(silent.allSatisfy { $0.end == nil })
            for _ in 0..<3 {
                _ = proxy.connect()
                proxy.settle()
            }
            #expect(proxy.server.connections.count == 3)
            #expect(silent.map { $0.end != nil } == [true, true, true, false])
            #expect(proxy.denied == [.prereadEvicted: 3])
        }
    }

    @Test("a client is not evicted within its first second, nor after its header")
    func recent() throws {
        try withProxy(limit: 2, configure: optional) { proxy in
            let served = proxy.connect(from: trustedProxy)
            served.send(headerLine)
            let silent = connectSilently(1, to: proxy)[0]
            proxy.advance(by: .milliseconds(500))
            let waiting = proxy.connect()
            waiting.send("hello")
            proxy.settle()
            #expect(silent.end == nil)
            #expect(proxy.server.connections.count == 1)
            proxy.advance(by: .seconds(2))
            #expect(silent.end == .failed(.connectionReset))
            #expect(served.end == nil)
            #expect(proxy.server.connections.map(\.text) == ["", "hello"])
        }
    }

    @Test("silent clients of one worker make room for clients of another")
    func otherWorker() throws {
        try withProxy(workers: 2, limit: 4, configure: optional) { proxy in
            let silent = connectSilently(4, to: proxy, on: 0)
            proxy.advance(by: .seconds(2))
            _ = proxy.connect(to: 1)
            proxy.advance(by: .seconds(2))
            #expect(proxy.server.connections.count == 1)
            #expect(silent.contains { $0.end != nil })
        }
    }

    @Test("without clients in preread, a worker at the limit sleeps")
    func sleeps() throws {
        try withProxy(limit: 1) { proxy in
            _ = proxy.connect()
            _ = proxy.connect()
            proxy.advance(by: .seconds(5))
            let before = proxy.waits
            proxy.advance(by: .seconds(60))
            #expect(proxy.waits == before)
        }
    }
}
