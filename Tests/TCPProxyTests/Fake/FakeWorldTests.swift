import FakeSystem
import Sockets
import Testing

@Suite("Fake network")
struct FakeWorldTests {
    /// Bytes that wait for buffer space are sent when earlier bytes have arrived, and must not overtake the
    /// rest of those.
    @Test("bytes stay in order, even if latency decreases")
    func order() throws {
        let world = FakeWorld()
        world.latency = .milliseconds(4)
        world.receiveBuffer = 16
        let address = SocketAddress.internet(InternetAddress(v4: 0x0A00_0001, port: 80))
        let server = world.serve(address)
        var system = FakeSystem(in: world, wakerToken: Token(slot: 0, generation: 0, kind: 0))
        let descriptor = try system.connect(to: RawAddress(address), from: nil, options: SocketOptions())
        for text in ["first, ", "second, ", "third"] {
            Array(text.utf8).withUnsafeBytes { _ = system.send($0, to: descriptor) }
        }
        world.latency = .zero
        world.advance(to: world.clock + .milliseconds(4))
        #expect(server.connections.first?.text == "first, second, third")
        system.close(descriptor)
    }

    /// As in tcp_need_reset(): a FIN that is queued behind bytes has not ended the stream yet.
    @Test("an abort with unsent bytes before the FIN resets the connection")
    func abortBeforeTheEnd() throws {
        let world = FakeWorld()
        world.receiveBuffer = 16
        let address = SocketAddress.internet(InternetAddress(v4: 0x0A00_0001, port: 80))
        let server = world.serve(address)
        var system = FakeSystem(in: world, wakerToken: Token(slot: 0, generation: 0, kind: 0))
        let descriptor = try system.connect(to: RawAddress(address), from: nil, options: SocketOptions())
        let peer = try #require(server.connections.first)
        peer.isReading = false
        Array("more than it has room for".utf8).withUnsafeBytes { _ = system.send($0, to: descriptor) }
        _ = system.endSending(on: descriptor)
        peer.finish()
        system.abort(descriptor)
        peer.isReading = true
        #expect(peer.text == "more than it has")
        #expect(peer.end == .failed(.connectionReset))
    }
}
