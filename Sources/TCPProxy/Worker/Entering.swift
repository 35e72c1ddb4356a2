import Sockets
import Workers

// Access lists, connection limits and rate limits of listeners. Called only for listeners that have any; not in the
// data path.

extension Worker where S: ~Copyable {
    /// Checks a connection that has just been accepted.
    ///
    /// - Parameter marks: set to what must be released at the end of the connection and what must be read before server
    ///   selection.
    /// - Returns: the reason for a denial, or nil. After a denial nothing must be released.
    @inline(never)
    mutating func enter(_ peer: PeerAddress, at number: Int, _ marks: inout Session.Marks) -> DenialCause? {
        // Access in place: a copy would update reference counts that all workers share.
        let listener = listeners.pointer(to: number)
        if case .unix = peer { marks.insert(.isUnix) }
        if listener.pointee.settings.entrance.proxies != nil {
            if listener.pointee.settings.entrance.proxies!.list.admits(peer) {
                marks.insert(.readsProxyHeader)
            } else if listener.pointee.settings.entrance.proxies!.header == .required {
                return .untrustedProxy
            }
        }
        if listener.pointee.settings.bandwidth != nil { marks.insert(.hasBudget) }
        if listener.pointee.settings.routes != nil { marks.insert(.readsClientHello) }
        // With a trusted proxy, the client's address is in the header, so the client is checked later.
        if !marks.contains(.readsProxyHeader), let cause = enterClient(peer, at: number, &marks) { return cause }
        guard let cause = enterListener(number, &marks) else { return nil }
        leave(number, peer, marks)
        return cause
    }

    /// Checks the access list and the per-client limits once the client's address is known.
    @inline(never)
    mutating func enterClient(_ client: PeerAddress, at number: Int, _ marks: inout Session.Marks) -> DenialCause? {
        let listener = listeners.pointer(to: number)
        if listener.pointee.settings.entrance.access != nil {
            guard listener.pointee.settings.entrance.access!.admits(client) else { return .address }
        }
        let limit = ClientLimits.Limit(
            connections: listener.pointee.settings.entrance.maxConnectionsPerClient,
            rate: listener.pointee.settings.entrance.ratePerClient
        )
        guard case .internet(let address) = client, limit.connections != nil || limit.rate != nil else { return nil }
        switch limits(of: number).clients.reserve(address, limit, at: now) {
        case .admitted:
            marks.insert(.countedForClient)
            return nil
        case .tooManyConnections: return .clientConnections
        case .tooFast: return .clientRate
        case .tableFull: return .clientTable
        }
    }

    private mutating func enterListener(_ number: Int, _ marks: inout Session.Marks) -> DenialCause? {
        let listener = listeners.pointer(to: number)
        if let most = listener.pointee.settings.entrance.maxConnections {
            guard limits(of: number).reserve(atMost: most) else { return .connections }
            marks.insert(.countedForListener)
        }
        if let rate = listener.pointee.settings.entrance.rate, !limits(of: number).take(rate, at: now) { return .rate }
        return nil
    }

    /// Returns the shared limits of a listener. They apply to its connections under all its numbers.
    @inline(__always)
    private func limits(of number: Int) -> ListenerLimits {
        shared.limits[listeners.pointer(to: number).pointee.limits]
    }

    /// Releases the reservations of a connection.
    @inline(never)
    mutating func leave(_ number: Int, _ client: PeerAddress, _ marks: Session.Marks) {
        if marks.contains(.countedForListener) { limits(of: number).release() }
        if marks.contains(.countedForClient), case .internet(let address) = client {
            limits(of: number).clients.release(address, at: now)
        }
    }

    /// Releases the reservations and the preface of a connection that ends.
    @inline(never)
    mutating func leaveEntrance(_ slot: Slot) {
        let session = sessions.pointer(to: slot)
        if session.pointee.stage == .preface { tellOpened(slot) }
        if session.pointee.marks.contains(.hasPreface) { dropPreface(slot) }
        leave(Int(session.pointee.listener), session.pointee.client, session.pointee.marks)
    }

    /// Rejects a connection that was accepted but has no session yet.
    @inline(never)
    mutating func deny(_ descriptor: consuming Descriptor, _ cause: DenialCause, at listener: Int) {
        shared.counters.add(1, to: .denied(cause))
        shared.listenerFigures.add(1, to: .denied(cause), of: listener)
        system.abort(descriptor)
        shared.loads.add(-1, to: index)
        releasePlace()
    }

    /// Rejects a connection that has a session.
    mutating func deny(_ slot: Slot, _ cause: DenialCause) {
        shared.counters.add(1, to: .denied(cause))
        shared.listenerFigures.add(1, to: .denied(cause), of: Int(sessions.pointer(to: slot).pointee.listener))
        abort(slot, .denied, by: cause == .prefaceEnded ? .client : .proxy)
    }
}
