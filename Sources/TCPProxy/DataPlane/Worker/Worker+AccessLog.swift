import EventLoop
import Relay
import Sockets

// Access log data of a connection, if the access log is enabled.

extension Worker where S: ~Copyable {
    /// Records the time at which a client enters the queue for a connection slot.
    @inline(__always)
    mutating func noteQueueEntered(_ slot: Slot) {
        guard shared.records != nil else { return }
        sessions.pointer(to: slot).pointee.phaseTimings.queued &-= UInt32(truncatingIfNeeded: microseconds(slot))
    }

    @inline(__always)
    mutating func noteQueueLeft(_ slot: Slot) {
        guard shared.records != nil else { return }
        sessions.pointer(to: slot).pointee.phaseTimings.queued &+= UInt32(truncatingIfNeeded: microseconds(slot))
    }

    @inline(__always)
    mutating func noteServerReached(_ slot: Slot) {
        guard shared.records != nil else { return }
        sessions.pointer(to: slot).pointee.phaseTimings.connected = moment(slot)
    }

    @inline(__always)
    mutating func noteFirstByte(_ slot: Slot) {
        guard shared.records != nil else { return }
        sessions.pointer(to: slot).pointee.phaseTimings.firstByte = moment(slot)
    }

    /// Returns the time since the connection was opened.
    @inline(__always)
    private mutating func microseconds(_ slot: Slot) -> UInt64 {
        now.since(sessions.pointer(to: slot).pointee.openedAt).wholeNanoseconds / 1000
    }

    /// Returns the time for ``PhaseTimings``; at least 1, because 0 means never.
    @inline(__always)
    private mutating func moment(_ slot: Slot) -> UInt32 { UInt32(clamping: max(1, microseconds(slot))) }

    /// Records the end of a connection; must be called before its server and its transforms are
    /// released.
    mutating func record(
        _ slot: Slot,
        _ reason: CloseReason,
        by initiator: CloseInitiator,
        in records: EventRing<ConnectionRecord>
    ) {
        let session = sessions.pointer(to: slot)
        var server: Int?
        // Not `?.`: Swift 6.3 dereferences a missing share through this pointer.
        if let share = session.pointee.dial.server {
            server = share.serial
        } else if session.pointee.dial.failures > 0 {
            // The last server that was tried, unless the pool has been replaced since by one with fewer servers.
            let position = Int(session.pointee.dial.position)
            let servers = pools.pointer(to: pool(of: slot))
            if position < servers.pointee.count { server = servers.pointee[position].share.serial }
        }
        let record = ConnectionRecord(
            id: session.pointee.id,
            client: session.pointee.client,
            server: server,
            listener: session.pointee.listener,
            pool: Int16(pool(of: slot)),
            attempts: session.pointee.dial.attempts,
            bytesUpstream: session.pointee.duplex.upstream.transferred,
            bytesDownstream: session.pointee.duplex.downstream.transferred,
            openedAt: session.pointee.openedAt,
            closedAt: now,
            phaseTimings: session.pointee.phaseTimings,
            reason: reason,
            initiator: initiator,
            tls: session.pointee.flags.isDisjoint(with: .transforms) ? nil : makeTLSRecord(slot)
        )
        if !records.write(record) {
            if let tls = record.tls { releaseTLSRecord(tls) }
            shared.counters.add(1, to: .recordsDropped)
        }
    }
}
