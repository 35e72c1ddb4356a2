import FakeSystem
import Relay
import Sockets

/// What has been observed of a connection from outside its session, turn by turn.
final class ConnectionTrace {
    /// How the connection ended; the reason is known only if events are read.
    struct Closure {
        let at: Instant
        var reason: CloseReason?
        var initiator: CloseInitiator?
    }

    /// Progress of the delivery that precedes a reset.
    struct Delivery: Equatable {
        var pending = 0
        var unacknowledged = 0
        /// Bytes that the remaining side has acknowledged, of everything ever sent to it.
        var acknowledged = 0
        /// Whether the kernel has accepted everything that will be sent.
        var isHandedOver = false
    }

    let id: ConnectionID
    let client: PeerScript
    let openedAt: Instant
    /// The process's end of its latest connection attempt; the peer may become known later.
    var serverEnd: FakeEnd?
    var server: PeerScript?
    var stage = Session.Stage.dialing
    var attempts: Int32 = 0
    /// When the search for a server began, or continued after a wait for a slot.
    var searchedSince: Instant
    /// When the present attempt began, or when it is to be repeated.
    var attemptAt: Instant
    var isToBeRepeated = false
    /// Attempts that failed for lack of a resource, and so are to be repeated.
    var repetitions: Int32 = 0
    /// Bytes moved in both directions, and the time of the latest move.
    var moved: UInt64 = 0
    var movedAt: Instant
    /// When the first direction ended.
    var halfClosedAt: Instant?
    var delivery = Delivery()
    var deliveredAt: Instant
    /// When the remaining side was last seen to have acknowledged bytes.
    var acknowledgedAt: Instant
    /// For each direction, since when bytes wait in its source, and how many had been received by then.
    var waiting: [Side: (at: Instant, received: Int)] = [:]
    /// What each direction has moved without a pause.
    var streams: [Side: Stream] = [:]

    /// What a direction has moved without a pause.
    struct Stream {
        var beganAt: Instant
        var lastAt: Instant
        var receivedBefore: Int
        var received: Int
    }

    /// Records how much a direction has received by now.
    func noteStream(from party: Side, received: Int, at now: Instant, maxPause: UInt64, backlog: Int) {
        guard let stream = streams[party] else {
            if received > 0 {
                streams[party] = Stream(beganAt: now, lastAt: now, receivedBefore: 0, received: received)
            }
            return
        }
        guard received > stream.received else { return }
        if now.since(stream.lastAt).wholeNanoseconds > maxPause, received - stream.received < backlog {
            streams[party] = Stream(beganAt: now, lastAt: now, receivedBefore: stream.received, received: received)
        } else {
            streams[party]?.lastAt = now
            streams[party]?.received = received
        }
    }
    var closure: Closure?

    init(_ id: ConnectionID, client: PeerScript, openedAt: Instant) {
        self.id = id
        self.client = client
        self.openedAt = openedAt
        searchedSince = openedAt
        attemptAt = openedAt
        movedAt = openedAt
        deliveredAt = openedAt
        acknowledgedAt = openedAt
    }

    /// Since when nothing has happened that would restart a timeout.
    var quietSince: Instant { max(movedAt, halfClosedAt ?? movedAt) }

    var name: String { "connection \(id) of \(client.name)" }

    /// Records what a turn has changed.
    func note(_ session: borrowing Session, at now: Instant, in world: FakeWorld) {
        if session.stage != stage {
            stage = session.stage
            if stage == .relaying { movedAt = now }
            if stage == .drainingBeforeReset {
                deliveredAt = now
                acknowledgedAt = now
            }
        }
        if session.dial.attempts != attempts || (session.dial.retryAt != nil) != isToBeRepeated {
            attempts = session.dial.attempts
            isToBeRepeated = session.dial.retryAt != nil
            if isToBeRepeated { repetitions += 1 }
            attemptAt = now
        }
        searchedSince = session.dial.beganAt
        let moved = session.duplex.upstream.transferred + session.duplex.downstream.transferred
        if moved != self.moved {
            self.moved = moved
            movedAt = now
        }
        if halfClosedAt == nil, session.isHalfClosed { halfClosedAt = now }
        guard stage == .drainingBeforeReset else { return }
        noteDelivery(session, at: now, in: world)
    }

    private func noteDelivery(_ session: borrowing Session, at now: Instant, in world: FakeWorld) {
        var delivery = Delivery(pending: session.duplex.pending)
        var left: Int32?
        if session.duplex.client.failure == nil {
            delivery.isHandedOver = session.duplex.downstream.state.isSettled
            left = Self.number(session.duplex.client.descriptor)
        } else if session.duplex.server.failure == nil {
            delivery.isHandedOver = session.duplex.upstream.state.isSettled
            left = Self.number(session.duplex.server.descriptor)
        }
        if let left {
            delivery.unacknowledged = world.unacknowledged(of: left)
            delivery.acknowledged = (world.peer(of: left)?.process.sent ?? 0) - delivery.unacknowledged
        }
        if delivery.acknowledged != self.delivery.acknowledged { acknowledgedAt = now }
        if delivery != self.delivery {
            self.delivery = delivery
            deliveredAt = now
        }
    }

    static func number(_ descriptor: borrowing Descriptor?) -> Int32? {
        switch descriptor {
        case .some(let descriptor): descriptor.number
        case .none: nil
        }
    }
}
