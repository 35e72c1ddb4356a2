import FakeSystem
import Sockets

/// The script of a server in a fake world: what it answers to connection attempts and bytes.
protocol FakeTarget {
    /// Returns the answer to a connection attempt, the `number`th from 0 on.
    mutating func answer(attempt number: Int, at now: Instant) -> FakeServer.Answer
    /// Returns the events on a connection that has just been established.
    mutating func connected(_ number: Int, at now: Instant) -> [TargetEvent]
    /// Returns the events on a connection after bytes have arrived there.
    mutating func receive(_ bytes: [UInt8], on number: Int, at now: Instant) -> [TargetEvent]
    /// Returns the events on a connection after its FIN has arrived.
    mutating func end(_ number: Int, at now: Instant) -> [TargetEvent]
}

extension FakeTarget {
    mutating func answer(attempt number: Int, at now: Instant) -> FakeServer.Answer { .accept() }
    mutating func connected(_ number: Int, at now: Instant) -> [TargetEvent] { [] }
    mutating func receive(_ bytes: [UInt8], on number: Int, at now: Instant) -> [TargetEvent] { [] }
    mutating func end(_ number: Int, at now: Instant) -> [TargetEvent] { [TargetEvent(at: now, .finish)] }
}

/// What a target does on a connection, and when.
struct TargetEvent {
    enum Action {
        case send([UInt8])
        case finish
        case reset
    }

    var at: Instant
    var action: Action

    init(at moment: Instant, _ action: Action) {
        at = moment
        self.action = action
    }
}

/// Sends each chunk back at the time that the closure returns for its arrival.
struct DelayingTarget: FakeTarget {
    var answer: @Sendable (Instant) -> Instant

    mutating func receive(_ bytes: [UInt8], on number: Int, at now: Instant) -> [TargetEvent] {
        [TargetEvent(at: answer(now), .send(bytes))]
    }
}

/// A server that follows a ``FakeTarget``. By default it answers a FIN with a FIN, after everything that was due before.
final class TargetServer {
    static let address = SocketAddress.internet(InternetAddress(v4: 0x7F00_0001, port: 9))

    private let world: FakeWorld
    private let server: FakeServer
    private var target: any FakeTarget
    /// Numbers of accepted attempts whose connections are not established yet.
    private var established: [Int] = []

    private final class Connection {
        let number: Int
        var received = 0
        var lastEvent = Instant(nanoseconds: 0)

        init(_ number: Int) {
            self.number = number
        }
    }

    init(_ target: any FakeTarget, in world: FakeWorld) {
        self.world = world
        self.target = target
        server = world.serve(Self.address)
        server.onAttempt = { [unowned self] in attempt() }
        server.onConnect = { [unowned self] in connect($0) }
    }

    /// Number of bytes that have arrived on all connections.
    var received: Int { server.connections.reduce(0) { $0 + $1.received.count } }

    private func attempt() -> FakeServer.Answer {
        let number = server.attempts - 1
        let answer = target.answer(attempt: number, at: world.clock)
        if case .accept = answer { established.append(number) }
        return answer
    }

    private func connect(_ peer: FakePeer) {
        let connection = Connection(established.removeFirst())
        peer.onChange = { [unowned self] in change($0, connection) }
        schedule(target.connected(connection.number, at: world.clock), on: peer, connection)
    }

    private func change(_ peer: FakePeer, _ connection: Connection) {
        let bytes = Array(peer.received[connection.received...])
        connection.received = peer.received.count
        if !bytes.isEmpty {
            schedule(target.receive(bytes, on: connection.number, at: world.clock), on: peer, connection)
        }
        if peer.end == .fin { schedule(target.end(connection.number, at: world.clock), on: peer, connection) }
    }

    private func schedule(_ events: [TargetEvent], on peer: FakePeer, _ connection: Connection) {
        for event in events {
            // A stream preserves its order.
            connection.lastEvent = max(event.at, connection.lastEvent)
            world.plan(at: connection.lastEvent) {
                switch event.action {
                case .send(let bytes): peer.send(bytes)
                case .finish: peer.finish()
                case .reset: peer.reset()
                }
            }
        }
    }
}
