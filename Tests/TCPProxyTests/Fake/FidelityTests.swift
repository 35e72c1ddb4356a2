import FakeSystem
import Glibc
import Sockets
import Support
import Testing

/// The fake system behaves like Linux: each scene runs on both, and must produce the same log.
@Suite("Fake system compared with Linux", .ownThreads, .timeLimit(.minutes(2)))
struct FidelityTests {
    enum Scene: CaseIterable {
        case connects, isRefused, hearsBytes, hearsEnd, hearsResetByPoller, hearsResetByReceive, hearsResetBySend
        case hearsResetAfterEnd, farSideClosesWithUnreadBytes, closesWithUnreadBytes, closes, aborts, bothEnd
        case fillsTheBuffer, countsTheEnd, accepts, pausesListening, closesListenerWithQueue, clientResetsInQueue
        case splices, setsLowWater, registersLate, closesWatched
    }

    @Test("both produce the same trace", arguments: Scene.allCases)
    func story(scene: Scene) throws {
        let token = Token(bits: 1)
        let linux = try whileNoProgramStarts {
            var stage = Stage(system: try LinuxSystem(wakerToken: token), far: try LinuxFarSide())
            try stage.play(scene)
            return stage.story
        }
        let fake = try {
            let world = FakeWorld()
            var stage = Stage(system: FakeSystem(in: world, wakerToken: token), far: FakeFarSide(world))
            try stage.play(scene)
            #expect(world.problems == [])
            #expect(world.openDescriptors == [])
            return stage.story
        }()
        #expect(fake == linux)
        #expect(!linux.isEmpty)
    }
}

/// A program at the far end of a connection.
private protocol FarEnd: AnyObject {
    func send(_ text: String) throws
    func finish() throws
    func reset() throws
    func close() throws
    /// All bytes received, and how the stream ended if it has.
    func heard() throws -> String
    /// Reads and discards the bytes that have arrived.
    func drain() throws
}

/// The peers' host.
private protocol FarSide {
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

// MARK: - The scenes

private struct Stage<S: System & ~Copyable>: ~Copyable {
    var system: S
    let far: any FarSide
    var story: [String] = []
    private var connections: UInt64 = 100

    init(system: consuming S, far: any FarSide) {
        self.system = system
        self.far = far
    }

    /// Timeout for an expected event, long enough for a busy machine; a wait ends as soon as the event arrives.
    private static var patience: Duration { .seconds(5) }

    mutating func play(_ scene: FidelityTests.Scene) throws {
        switch scene {
        case .isRefused: try isRefused()
        case .accepts: try accepts()
        case .pausesListening: try pausesListening()
        case .closesListenerWithQueue: try closesListenerWithQueue()
        case .clientResetsInQueue: try clientResetsInQueue()
        case .registersLate: try registersLate()
        default: try playConnected(scene)
        }
    }

    /// The scenes between a connected socket and its far end.
    private mutating func playConnected(_ scene: FidelityTests.Scene) throws {
        let descriptor = try connect(to: far.address)
        let end = try far.accept()
        watch(descriptor)
        logEvents()
        switch scene {
        case .hearsBytes:
            try end.send("hello")
            logEvents()
            // Reported once.
            tellNoEvents()
            receive(descriptor, atMost: 2)
            tellNoEvents()
            receive(descriptor)
            receive(descriptor)
            try end.send("again")
            logEvents()
            receive(descriptor)
        case .hearsEnd:
            try end.send("bye")
            try end.finish()
            logEvents()
            receive(descriptor)
            receive(descriptor)
            receive(descriptor)
            tellError(descriptor)
            send("still here", to: descriptor)
            story.append(try end.heard())
        case .hearsResetByPoller:
            try end.send("bye")
            try end.reset()
            logEvents()
            tellError(descriptor)
            tellError(descriptor)
            receive(descriptor)
            receive(descriptor)
            send("too late", to: descriptor)
            endSending(descriptor)
        case .hearsResetByReceive:
            try end.send("bye")
            try end.reset()
            receive(descriptor)
            receive(descriptor)
            receive(descriptor)
            tellError(descriptor)
            logEvents()
        case .hearsResetBySend:
            try end.send("bye")
            try end.reset()
            send("too late", to: descriptor)
            send("too late", to: descriptor)
            receive(descriptor)
            receive(descriptor)
        case .hearsResetAfterEnd:
            try end.close()
            logEvents()
            receive(descriptor)
            send("is this delivered", to: descriptor)
            logEvents()
            receive(descriptor)
            tellError(descriptor)
            send("hello?", to: descriptor)
        case .farSideClosesWithUnreadBytes:
            send("these stay unread", to: descriptor)
            try end.close()
            logEvents()
            receive(descriptor)
            receive(descriptor)
        case .closesWithUnreadBytes:
            send("bye", to: descriptor)
            try end.send("these stay unread")
            logEvents()
            system.close(descriptor)
            story.append(try end.heard())
            return
        case .closes:
            send("bye", to: descriptor)
            system.close(descriptor)
            story.append(try end.heard())
            return
        case .aborts:
            send("bye", to: descriptor)
            system.abort(descriptor)
            story.append(try end.heard())
            return
        case .bothEnd:
            endSending(descriptor)
            story.append(try end.heard())
            try end.send("late")
            logEvents()
            receive(descriptor)
            try end.finish()
            logEvents()
            receive(descriptor)
            tellError(descriptor)
        case .fillsTheBuffer:
            fill(descriptor)
            story.append("unacknowledged: \(system.unacknowledged(on: descriptor) > 0)")
            story.append("room: \(system.availableSendBuffer(of: descriptor) < 64 * 1024)")
            tellNoEvents()
            try drain(descriptor, into: end)
            logEvents()
            send("more", to: descriptor)
        case .countsTheEnd:
            fill(descriptor)
            let before = system.unacknowledged(on: descriptor)
            endSending(descriptor)
            story.append("an end counts \(system.unacknowledged(on: descriptor) - before)")
            try drain(descriptor, into: end)
            story.append("unacknowledged: \(system.unacknowledged(on: descriptor))")
        case .splices:
            try splices(descriptor, end)
        case .setsLowWater:
            system.setReceiveLowWater(of: descriptor, to: 1000)
            try end.send("few")
            tellNoEvents()
            try end.send(String(repeating: "many ", count: 200))
            logEvents()
            receive(descriptor, atMost: 5000)
            try end.send("few")
            tellNoEvents()
            system.setReceiveLowWater(of: descriptor, to: 1)
            logEvents()
            receive(descriptor)
            system.setReceiveLowWater(of: descriptor, to: 1000)
            try end.send("few")
            try end.finish()
            logEvents()
            receive(descriptor)
            receive(descriptor)
        case .closesWatched:
            try end.send("hello")
            system.close(descriptor)
            tellEndOfEvents { try? end.send("hello?") }
            return
        default:
            receive(descriptor)
            tellError(descriptor)
            tellNoEvents()
        }
        system.close(descriptor)
    }

    private mutating func isRefused() throws {
        let descriptor = try connect(to: far.deadAddress)
        watch(descriptor)
        logEvents()
        tellError(descriptor)
        tellError(descriptor)
        receive(descriptor)
        send("hello?", to: descriptor)
        system.close(descriptor)
    }

    /// A state that exists already is reported when a descriptor is registered.
    private mutating func registersLate() throws {
        let descriptor = try connect(to: far.address)
        let end = try far.accept()
        try end.send("hello")
        watch(descriptor)
        logEvents()
        tellNoEvents()
        _ = system.modify(descriptor, for: .connection, token: Token(bits: 7))
        logEvents()
        system.close(descriptor)
    }

    private mutating func listen() throws -> Descriptor {
        let listener = try system.listen(at: far.listenAddress, options: ListenOptions())
        #expect(system.register(listener, for: .readable, token: Token(bits: 50)) == nil)
        return listener
    }

    private mutating func accepts() throws {
        let listener = try listen()
        let address = try system.localAddress(of: listener)
        tellNoEvents()
        let first = try far.connect(to: address)
        try first.send("one")
        let second = try far.connect(to: address)
        try second.send("two")
        logEvents()
        // Level-triggered: reported as long as the state holds.
        logEvents()
        accept(listener)
        logEvents()
        accept(listener)
        tellNoEvents()
        accept(listener)
        system.close(listener)
    }

    private mutating func pausesListening() throws {
        let listener = try listen()
        let address = try system.localAddress(of: listener)
        let client = try far.connect(to: address)
        logEvents()
        _ = system.modify(listener, for: [], token: Token(bits: 50))
        tellNoEvents()
        _ = system.modify(listener, for: .readable, token: Token(bits: 50))
        logEvents()
        try client.send("hello")
        accept(listener)
        system.close(listener)
    }

    private mutating func closesListenerWithQueue() throws {
        let listener = try listen()
        let address = try system.localAddress(of: listener)
        let client = try far.connect(to: address)
        try client.send("hello?")
        system.close(listener)
        story.append(try client.heard())
        do {
            _ = try far.connect(to: address)
            story.append("connected without a listener")
        } catch {
            story.append("refused")
        }
    }

    private mutating func clientResetsInQueue() throws {
        let listener = try listen()
        let address = try system.localAddress(of: listener)
        let client = try far.connect(to: address)
        try client.send("bye")
        try client.reset()
        logEvents()
        switch system.accept(from: listener) {
        case .connection(let descriptor, peer: _):
            watch(descriptor)
            logEvents()
            tellError(descriptor)
            receive(descriptor)
            receive(descriptor)
            system.close(descriptor)
        case .wouldBlock: story.append("no connection")
        case .failed(let error): story.append("\(error)")
        }
        system.close(listener)
    }

    private mutating func splices(_ descriptor: borrowing Descriptor, _ end: any FarEnd) throws {
        let pipe = try system.pipe(capacity: 65_536)
        splice(from: descriptor, to: pipe.input, atMost: 100)
        try end.send("through a pipe")
        logEvents()
        splice(from: descriptor, to: pipe.input, atMost: 7)
        splice(from: descriptor, to: pipe.input, atMost: 100)
        splice(from: descriptor, to: pipe.input, atMost: 100)
        read(from: pipe.output, atMost: 4)
        splice(from: pipe.output, to: descriptor, atMost: 3)
        splice(from: pipe.output, to: descriptor, atMost: 100)
        splice(from: pipe.output, to: descriptor, atMost: 100)
        try end.finish()
        splice(from: descriptor, to: pipe.input, atMost: 100)
        system.close(pipe.input)
        system.close(pipe.output)
        endSending(descriptor)
        story.append(try end.heard())
    }
}

// MARK: - Log lines

extension Stage where S: ~Copyable {
    private mutating func connect(to address: SocketAddress) throws -> Descriptor {
        try system.connect(to: RawAddress(address), from: nil, options: SocketOptions())
    }

    private mutating func watch(_ descriptor: borrowing Descriptor) {
        connections += 1
        #expect(system.register(descriptor, for: .connection, token: Token(bits: connections)) == nil)
    }

    /// Logs events that have happened, or are about to.
    private mutating func logEvents() {
        let count = system.wait(until: system.now() + Self.patience)
        for index in 0..<count {
            let event = system.event(index)
            story.append("event \(event.token.bits): \(Self.words(event.readiness))")
        }
        if count == 0 { story.append("nothing") }
    }

    private mutating func tellNoEvents() {
        story.append("\(system.wait(until: system.now())) events")
    }

    /// A closed descriptor causes no more events; but while another test starts a process, that one holds a copy of the
    /// descriptor for a moment.
    private mutating func tellEndOfEvents(after news: () -> Void) {
        var looks = 1000
        while system.wait(until: system.now() + .milliseconds(1)) > 0, looks > 0 {
            looks -= 1
            news()
        }
        tellNoEvents()
    }

    private static func words(_ readiness: Readiness) -> String {
        let names: [(Readiness, String)] = [
            (.readable, "readable"), (.writable, "writable"), (.urgent, "urgent"), (.readHangup, "ended"),
            (.failed, "failed"), (.hungUp, "hung up"),
        ]
        return names.filter { readiness.contains($0.0) }.map(\.1).joined(separator: ", ")
    }

    private mutating func tell(_ transfer: IOResult, _ bytes: UnsafeRawBufferPointer? = nil) {
        switch transfer {
        case .moved(let count):
            if let bytes {
                story.append("received \(String(decoding: bytes.prefix(count), as: UTF8.self))")
            } else {
                story.append("moved \(count)")
            }
        case .wouldBlock: story.append("would block")
        case .ended: story.append("ended")
        case .failed(let error): story.append("failed: \(error)")
        }
    }

    private mutating func receive(_ descriptor: borrowing Descriptor, atMost count: Int = 100) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
        defer { buffer.deallocate() }
        tell(system.receive(from: descriptor, into: buffer), UnsafeRawBufferPointer(buffer))
    }

    private mutating func read(from descriptor: borrowing Descriptor, atMost count: Int) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
        defer { buffer.deallocate() }
        tell(system.read(from: descriptor, into: buffer), UnsafeRawBufferPointer(buffer))
    }

    private mutating func send(_ text: String, to descriptor: borrowing Descriptor) {
        let bytes = Array(text.utf8)
        tell(bytes.withUnsafeBytes { system.send($0, to: descriptor) })
    }

    private mutating func splice(
        from source: borrowing Descriptor,
        to sink: borrowing Descriptor,
        atMost count: Int
    ) {
        tell(system.splice(from: source, to: sink, atMost: count))
    }

    private mutating func tellError(_ descriptor: borrowing Descriptor) {
        story.append("error: \(system.takeError(of: descriptor).map(\.description) ?? "none")")
    }

    private mutating func endSending(_ descriptor: borrowing Descriptor) {
        story.append("end: \(system.endSending(on: descriptor).map(\.description) ?? "sent")")
    }

    private mutating func accept(_ listener: borrowing Descriptor) {
        switch system.accept(from: listener) {
        case .connection(let descriptor, let peer):
            if case .internet(let address) = peer { story.append("accepted from \(address.host)") }
            receive(descriptor)
            system.close(descriptor)
        case .wouldBlock: story.append("would block")
        case .failed(let error): story.append("failed: \(error)")
        }
    }

    /// Sends until no more bytes are accepted.
    private mutating func fill(_ descriptor: borrowing Descriptor) {
        let bytes = [UInt8](repeating: 1, count: 64 * 1024)
        while true {
            let transfer = bytes.withUnsafeBytes { system.send($0, to: descriptor) }
            guard case .moved = transfer else { return tell(transfer) }
        }
    }

    /// Makes the far end read everything in flight.
    private mutating func drain(_ descriptor: borrowing Descriptor, into end: any FarEnd) throws {
        let deadline = system.now() + Self.patience
        while system.unacknowledged(on: descriptor) > 0, system.now() < deadline { try end.drain() }
        try end.drain()
    }
}

// MARK: - Linux

private final class LinuxFarEnd: FarEnd {
    private let socket: TestSocket

    init(_ socket: TestSocket) {
        self.socket = socket
    }

    func send(_ text: String) throws { try socket.send(text) }
    func finish() throws { try socket.finish() }
    func reset() throws { try socket.reset() }
    func close() throws { socket.close() }
    func drain() throws { while let bytes = try socket.receiveWithoutWaiting(), !bytes.isEmpty {} }

    func heard() throws -> String {
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

private struct LinuxFarSide: FarSide {
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

private final class FakeFarEnd: FarEnd {
    private let peer: FakePeer
    private var told = 0

    init(_ peer: FakePeer) {
        self.peer = peer
        peer.isReading = false
    }

    func send(_ text: String) { peer.send(text) }
    func finish() { peer.finish() }
    func reset() { peer.reset() }
    func close() { peer.close() }

    func drain() {
        peer.read(.max)
        told = peer.received.count
    }

    func heard() -> String {
        peer.read(.max)
        let text = String(decoding: peer.received[told...], as: UTF8.self)
        told = peer.received.count
        switch peer.end {
        case .fin: return "\(text), and an end"
        case .failed: return "\(text), and a reset"
        case nil: return text
        }
    }
}

private final class FakeFarSide: FarSide {
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
