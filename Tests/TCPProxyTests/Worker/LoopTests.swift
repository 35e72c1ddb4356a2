import EventLoop
import FakeSystem
import Sockets
import Testing

@testable import TCPProxy

@Suite("Loops at run time")
struct LoopTests {
    /// Runs a proxy whose server is on this machine, at a port at which the process listens; by default, the server is
    /// the proxy's own listener.
    private func withLocalServer(
        at address: SocketAddress = SocketAddress("127.0.0.1:8080"),
        listeners: Int = 1,
        configure: (inout SingleListenerSettings) -> Void = { _ in },
        _ body: (FakeProxy, FakeServer) throws -> Void
    ) throws {
        let world = FakeWorld()
        let server = world.serve(address)
        try withProxy(in: world, pool: { $0.servers[0].address = address }, configure: configure) { proxy in
            let addresses = (0..<listeners).map { SocketAddress("127.0.0.1:\(8080 + $0)") }
            proxy.memory.loops.listen(on: addresses)
            try body(proxy, server)
        }
    }

    /// Connects as the own connection of the process with this number.
    private func connectBack(_ number: Int, to proxy: FakeProxy) -> FakePeer {
        let client = proxy.connect(from: PeerAddress("127.0.0.1:\(50_000 + number)"))
        proxy.settle()
        return client
    }

    @Test("a connection from the process itself is denied, also before its PROXY header", arguments: [false, true])
    func own(readsHeader: Bool) throws {
        let proxies = readsHeader ? [CIDRBlock(InternetAddress(v4: 0x7F00_0001, port: 0))] : []
        try withLocalServer(
            configure: { if readsHeader { $0.accessPolicy.proxies = .init(header: .optional, networks: proxies) } }
        ) { proxy, server in
            let client = proxy.connect()
            client.send("hello")
            proxy.settle()
            #expect(server.connections.count == 1)
            #expect(connectBack(1, to: proxy).end == .failed(.connectionReset))
            #expect(proxy.denied == [.loop: 1])
            #expect(server.connections.count == 1)
            #expect(client.end == nil)
        }
    }

    @Test("a client with the local address of an own connection to another destination is served")
    func otherDestination() throws {
        try withLocalServer(at: SocketAddress("127.0.0.2:8080")) { proxy, server in
            _ = proxy.connect()
            proxy.settle()
            #expect(proxy.memory.loops.isUsed)
            #expect(connectBack(1, to: proxy).end == nil)
            #expect(proxy.denied == [:])
            #expect(server.connections.count == 2)
        }
    }

    @Test("the address of a connection that has ended is an ordinary client's")
    func ended() throws {
        try withLocalServer { proxy, server in
            let client = proxy.connect()
            proxy.settle()
            #expect(proxy.memory.loops.isUsed)
            client.reset()
            proxy.settle()
            #expect(!proxy.memory.loops.isUsed)
            #expect(connectBack(1, to: proxy).end == nil)
            #expect(proxy.denied == [:])
        }
    }

    @Test("a failed attempt leaves no address behind")
    func failed() throws {
        try withLocalServer { proxy, server in
            server.answer = .fail(.connectionRefused)
            _ = proxy.connect()
            proxy.settle()
            #expect(!proxy.memory.loops.isUsed)
        }
    }

    @Test("with two listeners a connection may pass through the process once more, and not twice")
    func chain() throws {
        try withLocalServer(listeners: 2) { proxy, server in
            _ = proxy.connect()
            proxy.settle()
            #expect(connectBack(1, to: proxy).end == nil)
            #expect(server.connections.count == 2)
            #expect(connectBack(2, to: proxy).end == .failed(.connectionReset))
            #expect(proxy.denied == [.loop: 1])
        }
    }

    @Test("connections to other machines and other ports are not recorded")
    func others() throws {
        try withProxy { proxy in
            proxy.memory.loops.listen(on: [SocketAddress("127.0.0.1:80")])
            _ = proxy.connect()
            proxy.settle()
            #expect(!proxy.memory.loops.isUsed)
        }
        try withLocalServer(listeners: 0) { proxy, _ in
            _ = proxy.connect()
            proxy.settle()
            #expect(!proxy.memory.loops.isUsed)
        }
    }

    @Test("the table is bounded, and empty again at the end")
    func capacity() {
        let loops = LoopDetector()
        defer { loops.free() }
        let listener = InternetAddress(v4: 0x7F00_0001, port: 8080)
        var entries: [LoopDetector.Entry] = []
        for number in 0..<(LoopDetector.capacity + 1000) {
            let address = InternetAddress(v4: UInt32(0x7F00_0000 + number / 1000), port: UInt16(1 + number % 1000))
            guard let entry = loops.insert(from: address, to: listener, hops: 1) else { continue }
            entries.append(entry)
            #expect(loops.hops(from: address, to: listener) == 1)
        }
        #expect(entries.count > LoopDetector.capacity / 2)
        #expect(entries.count <= LoopDetector.capacity)
        for entry in entries { loops.remove(entry) }
        #expect(!loops.isUsed)
        #expect(loops.hops(from: InternetAddress(v4: 0x7F00_0000, port: 1), to: listener) == 0)
    }
}
