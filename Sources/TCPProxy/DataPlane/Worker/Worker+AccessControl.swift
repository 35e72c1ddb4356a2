import EventLoop
import Sockets

// Access lists, connection limits and rate limits of listeners. Called only for listeners that have any; not in the
// data path.

extension Worker where S: ~Copyable {
    /// Checks a connection that has just been accepted.
    ///
    /// - Parameter marks: set to what must be released at the end of the connection and what must be read before server
    ///   selection.
    /// - Returns: the reason for a denial, or nil. After a denial nothing must be released.
    @inline(never)
    mutating func checkAccess(_ peer: PeerAddress, at number: Int, _ flags: inout Session.Flags) -> DenyReason? {
        // Access in place: a copy would update reference counts that all workers share.
        let listener = listeners.pointer(to: number)
        if case .unix = peer { flags.insert(.isUnix) }
        if listener.pointee.settings.accessPolicy.proxies != nil {
            if listener.pointee.settings.accessPolicy.proxies!.list.admits(peer) {
                flags.insert(.readsProxyHeader)
            } else if listener.pointee.settings.accessPolicy.proxies!.header == .required {
                return .untrustedProxy
            }
        }
        if listener.pointee.settings.bandwidth != nil { flags.insert(.hasBandwidthLimit) }
        if listener.pointee.settings.routes != nil { flags.insert(.readsClientHello) }
        // With a trusted proxy, the client's address is in the header, so the client is checked later.
        if !flags.contains(.readsProxyHeader), let cause = enterClient(peer, at: number, &flags) { return cause }
        guard let cause = enterListener(number, &flags) else { return nil }
        leave(number, peer, flags)
        return cause
    }

    /// Checks the access list and the per-client limits once the client's address is known.
    @inline(never)
    mutating func enterClient(_ client: PeerAddress, at number: Int, _ flags: inout Session.Flags) -> DenyReason? {
        let listener = listeners.pointer(to: number)
        if listener.pointee.settings.accessPolicy.access != nil {
            guard listener.pointee.settings.accessPolicy.access!.admits(client) else { return .address }
        }
        let limit = PerClientLimiter.Limit(
            connections: listener.pointee.settings.accessPolicy.maxConnectionsPerClient,
            rate: listener.pointee.settings.accessPolicy.ratePerClient
        )
        guard case .internet(let address) = client, limit.connections != nil || limit.rate != nil else { return nil }
        switch limits(of: number).clients.reserve(address, limit, at: now) {
        case .admitted:
            flags.insert(.countedForClient)
            return nil
        case .tooManyConnections: return .clientConnections
        case .tooFast: return .clientRate
        case .tableFull: return .clientTable
        }
    }

    private mutating func enterListener(_ number: Int, _ flags: inout Session.Flags) -> DenyReason? {
        let listener = listeners.pointer(to: number)
        if let most = listener.pointee.settings.accessPolicy.maxConnections {
            guard limits(of: number).reserve(atMost: most) else { return .connections }
            flags.insert(.countedForListener)
        }
        if let rate = listener.pointee.settings.accessPolicy.rate, !limits(of: number).take(rate, at: now) {
            return .rate
        }
        return nil
    }

    /// Returns the shared limits of a listener. They apply to its connections under all its numbers.
    @inline(__always)
    private func limits(of number: Int) -> ListenerLimits {
        shared.limits[listeners.pointer(to: number).pointee.limits]
    }

    /// Releases the reservations of a connection.
    @inline(never)
    mutating func leave(_ number: Int, _ client: PeerAddress, _ flags: Session.Flags) {
        if flags.contains(.countedForListener) { limits(of: number).release() }
        if flags.contains(.countedForClient), case .internet(let address) = client {
            limits(of: number).clients.release(address, at: now)
        }
    }

    /// Releases the reservations and the preread bytes of a connection that ends.
    @inline(never)
    mutating func releaseLimits(_ slot: Slot) {
        let session = sessions.pointer(to: slot)
        if session.pointee.stage == .preread { reportOpened(slot) }
        if session.pointee.flags.contains(.hasPrereadBuffer) { discardPreread(slot) }
        leave(Int(session.pointee.listener), session.pointee.client, session.pointee.flags)
    }

    /// Rejects a connection that was accepted but has no session yet.
    @inline(never)
    mutating func deny(_ descriptor: consuming Descriptor, _ cause: DenyReason, at listener: Int) {
        shared.counters.add(1, to: .denied(cause))
        shared.listenerMetrics.add(1, to: .denied(cause), of: listener)
        system.abort(descriptor)
        shared.loads.add(-1, to: index)
        releasePermit()
    }

    /// Rejects a connection that has a session.
    mutating func deny(_ slot: Slot, _ cause: DenyReason) {
        shared.counters.add(1, to: .denied(cause))
        shared.listenerMetrics.add(1, to: .denied(cause), of: Int(sessions.pointer(to: slot).pointee.listener))
        abort(slot, .denied, by: cause == .prereadEnded ? .client : .proxy)
    }
}
