import Relay
import Sockets
import Workers

// What a worker keeps of a connection for the access log, if there is one.

extension Worker where S: ~Copyable {
    /// He begins to wait for a place at a server.
    @inline(__always)
    mutating func noteQueueEntered(_ slot: Slot) {
        guard shared.records != nil else { return }
        sessions.pointer(to: slot).pointee.milestones.queued &-= UInt32(truncatingIfNeeded: microseconds(slot))
    }

    @inline(__always)
    mutating func noteQueueLeft(_ slot: Slot) {
        guard shared.records != nil else { return }
        sessions.pointer(to: slot).pointee.milestones.queued &+= UInt32(truncatingIfNeeded: microseconds(slot))
    }

    @inline(__always)
    mutating func noteServerReached(_ slot: Slot) {
        guard shared.records != nil else { return }
        sessions.pointer(to: slot).pointee.milestones.connected = moment(slot)
    }

    @inline(__always)
    mutating func noteFirstByte(_ slot: Slot) {
        guard shared.records != nil else { return }
        sessions.pointer(to: slot).pointee.milestones.firstByte = moment(slot)
    }

    /// Since the connection was opened.
    @inline(__always)
    private mutating func microseconds(_ slot: Slot) -> UInt64 {
        now.since(sessions.pointer(to: slot).pointee.openedAt).wholeNanoseconds / 1000
    }

    /// Never zero, which stands for never.
    @inline(__always)
    private mutating func moment(_ slot: Slot) -> UInt32 { UInt32(clamping: max(1, microseconds(slot))) }

    /// Records the end of a connection, while it still has its server.
    mutating func record(_ slot: Slot, _ reason: CloseReason, by side: Side, in records: EventRing<ConnectionRecord>) {
        let session = sessions.pointer(to: slot)
        var server: Int?
        // Not by `?.`, which Swift 6.3 follows to a share that is not there, through this pointer.
        if let share = session.pointee.dial.server { server = share.serial }
        let record = ConnectionRecord(
            id: session.pointee.id,
            client: session.pointee.client,
            listener: session.pointee.listener,
            pool: Int16(pool(of: slot)),
            server: server,
            attempts: session.pointee.dial.attempts,
            bytesUpstream: session.pointee.duplex.upstream.transferred,
            bytesDownstream: session.pointee.duplex.downstream.transferred,
            openedAt: session.pointee.openedAt,
            closedAt: now,
            milestones: session.pointee.milestones,
            reason: reason,
            side: side
        )
        if !records.write(record) { shared.counters.add(1, to: .recordsDropped) }
    }
}

/// What a worker knows of a connection at its end, in numbers that mean something to the control plane.
struct ConnectionRecord: Sendable {
    var id: ConnectionID
    var client: PeerAddress
    var listener: Int16
    var pool: Int16
    /// ``ServerShare/serial``; nil if none could be had.
    var server: Int?
    var attempts: Int32
    var bytesUpstream: UInt64
    var bytesDownstream: UInt64
    var openedAt: Instant
    var closedAt: Instant
    var milestones: Milestones
    var reason: CloseReason
    var side: Side
}
