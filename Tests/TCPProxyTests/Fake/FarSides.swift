import FakeSystem
import Glibc
import Sockets
import Support
import Testing

/// A program at the far end of a connection.
protocol FarEnd: AnyObject {
    func send(_ text: String) throws
    /// Sends bytes of which the last is urgent.
    func sendUrgent(_ text: String) throws
    func finish() throws
    func reset() throws
    func close() throws
    /// All bytes received, and how the stream ended if it has.
    func received() throws -> String
    /// Reads and discards the bytes that have arrived.
    func drain() throws
}

/// The peers' host.
protocol FarSide {
    /// The address of a listening peer.
    var address: SocketAddress { get }
    /// An address without a listener.
    var deadAddress: SocketAddress { get }
    /// Accepts the next connection.
    func accept() throws -> any FarEnd
    func connect(to address: SocketAddress) throws -> any FarEnd
    /// An address on which the system under test can listen.
    var listenAddress: SocketAddress { get }
}

// MARK: - Linux

final class LinuxFarEnd: FarEnd {
    private let socket: TestSocket

    init(_ socket: TestSocket) {
        self.socket = socket
    }

    func send(_ text: String) throws { try socket.send(text) }

    func sendUrgent(_ text: String) throws {
        try #require(Glibc.send(try socket.descriptor, text, text.utf8.count, Int32(MSG_OOB)) == text.utf8.count)
    }

    func finish() throws { try socket.finish() }
    func reset() throws { try socket.reset() }
    func close() throws { socket.close() }
    func drain() throws { while let bytes = try socket.receiveWithoutWaiting(), !bytes.isEmpty {} }

    func received() throws -> String {
        var text = ""
        // An event has happened or is about to: waits for the first one.
        do {
            var next: [UInt8]? = try socket.receive(upTo: 100)
            while let bytes = next {
                if bytes.isEmpty { return "\(text), and an end" }
                text += String(decoding: bytes, as: UTF8.self)
                next = try socket.receiveWithoutWaiting()
            }
        } catch let failure as SystemFailure where failure.code == ECONNRESET {
            return "\(text), and a reset"
        }
        return text
    }
}

struct LinuxFarSide: FarSide {
    private let listener: TestListener
    let deadAddress: SocketAddress

    init() throws {
        listener = try TestListener()
        let dead = try TestListener()
        deadAddress = SocketAddress(dead.address.description)
        dead.close()
    }

    var address: SocketAddress { SocketAddress(listener.address.description) }
    var listenAddress: SocketAddress { SocketAddress("127.0.0.1:0") }

    func accept() throws -> any FarEnd { LinuxFarEnd(try listener.accept()) }

    func connect(to address: SocketAddress) throws -> any FarEnd {
        LinuxFarEnd(try TestSocket.connect(to: TestAddress(address.description)!))
    }
}

// MARK: - Fake

final class FakeFarEnd: FarEnd {
    private let peer: FakePeer
    private var reported = 0

    init(_ peer: FakePeer) {
        self.peer = peer
        peer.isReading = false
    }

    func send(_ text: String) { peer.send(text) }
    func sendUrgent(_ text: String) { peer.sendUrgent(Array(text.utf8)) }
    func finish() { peer.finish() }
    func reset() { peer.reset() }
    func close() { peer.close() }

    func drain() {
        peer.read(.max)
        reported = peer.received.count
    }

    func received() -> String {
        peer.read(.max)
        let text = String(decoding: peer.received[reported...], as: UTF8.self)
        reported = peer.received.count
        switch peer.end {
        case .fin: return "\(text), and an end"
        case .failed: return "\(text), and a reset"
        case nil: return text
        }
    }
}

final class FakeFarSide: FarSide {
    private let world: FakeWorld
    private let server: FakeServer
    private var accepted = 0
    let deadAddress = SocketAddress("10.0.0.9:9")
    let listenAddress = SocketAddress("127.0.0.1:8080")

    init(_ world: FakeWorld) {
        self.world = world
        server = world.serve(SocketAddress("10.0.0.1:80"))
        server.onConnect = { $0.isReading = false }
    }

    var address: SocketAddress { server.address }

    func accept() throws -> any FarEnd {
        accepted += 1
        return FakeFarEnd(server.connections[accepted - 1])
    }

    func connect(to address: SocketAddress) throws -> any FarEnd {
        let peer = world.connect(to: address)
        if case .failed(let error) = peer.end { throw error }
        return FakeFarEnd(peer)
    }
}
