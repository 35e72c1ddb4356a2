import EventLoop
import Relay
import Sockets

// Closing idle connections of a server, so that their clients connect again and the policy selects other servers.

/// A connection that can be closed without loss of data.
struct IdleConnection: Sendable {
    var id: ConnectionID
    /// Time since bytes were last relayed.
    var idle: Duration
}

/// The answer of one worker about the connections of a server.
struct IdleAnswer: Sendable {
    /// Number of all connections of the server.
    var total = 0
    var idle: [IdleConnection] = []
}

extension Worker where S: ~Copyable {
    /// Finds the idle connections of a server. Iterates over all connections of the worker; runs only on request.
    ///
    /// - Parameter server: its ``SharedServerState/serial``.
    @inline(never)
    mutating func idleConnections(of server: Int) -> IdleAnswer {
        var answer = IdleAnswer()
        for slot in 0..<sessions.end where sessions.isTaken(slot) {
            guard isConnection(slot, of: server) else { continue }
            answer.total += 1
            guard isIdle(slot) else { continue }
            answer.idle.append(IdleConnection(id: sessions.pointer(to: slot).pointee.id, idle: idleTime(of: slot)))
        }
        return answer
    }

    /// Closes the connections with these identifiers that are still idle, with a FIN to both sides.
    ///
    /// - Returns: the number of connections closed.
    @inline(never)
    mutating func closeIdle(_ ids: Set<ConnectionID>) -> Int {
        var closed = 0
        for slot in 0..<sessions.end where sessions.isTaken(slot) {
            guard ids.contains(sessions.pointer(to: slot).pointee.id), isIdle(slot) else { continue }
            sendTransformEnds(slot)
            sessions.pointer(to: slot).pointee.duplex.close(on: &system, with: &buffers)
            finalize(slot, .forced, by: .proxy)
            closed += 1
        }
        return closed
    }

    private func isConnection(_ slot: Slot, of server: Int) -> Bool {
        guard let share = sessions.pointer(to: slot).pointee.dial.server else { return false }
        return share.serial == server
    }

    /// Returns whether no bytes are on their way: none are held, and none have been received that are not read yet.
    private mutating func isIdle(_ slot: Slot) -> Bool {
        let session = sessions.pointer(to: slot)
        guard session.pointee.stage == .relaying, session.pointee.duplex.pending == 0, !session.pointee.isHalfClosed,
            !session.pointee.duplex.hasFailed, !transformsHoldBytes(slot)
        else { return false }
        return system.unreadBytes(on: session.pointee.duplex.client.descriptor!) == 0
            && system.unreadBytes(on: session.pointee.duplex.server.descriptor!) == 0
    }

    private mutating func idleTime(of slot: Slot) -> Duration {
        let session = sessions.pointer(to: slot)
        if session.pointee.flags.contains(.tracksActivity) { return now.since(session.pointee.lastActivity) }
        let age = now.since(session.pointee.openedAt)
        // Without an idle timeout only the kernel knows the last activity.
        guard let idle = system.idleTime(of: session.pointee.duplex.client.descriptor!) else { return age }
        return min(idle, age)
    }
}
