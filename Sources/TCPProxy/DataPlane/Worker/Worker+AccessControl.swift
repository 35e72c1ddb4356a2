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
            if listener.pointee.settings.accessPolicy.proxies!.trusts(peer) {
                flags.insert(.readsProxyHeader)
            } else if listener.pointee.settings.accessPolicy.proxies!.header == .required {
                return .untrustedProxy
            }
        }
        if listener.pointee.settings.bandwidth != nil { flags.insert(.hasBandwidthLimit) }
        if listener.pointee.settings.readsClientHello { flags.insert(.readsClientHello) }
        // With a trusted proxy, the client's address is in the header, so the client is checked later.
        if !flags.contains(.readsProxyHeader), let cause = enterClient(peer, at: number, &flags) { return cause }
        guard let cause = enterListener(number, peer, &flags) else { return nil }
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
        let (admission, grouping) = limits(of: number).clients.admit(address, limit, at: now)
        switch admission {
        case .admitted:
            flags.insert(.countedForClient)
            flags.insert(Session.Flags(grouping))
            return nil
        case .tooManyConnections: return limitReached(.clientConnections, by: client, at: number)
        case .tooFast: return limitReached(.clientRate, by: client, at: number)
        case .tableFull: return limitReached(.clientTable, by: client, at: number)
        }
    }

    /// Returns the reason for a denial; nil if the limits of the listener are only to be counted.
    @inline(never)
    private mutating func limitReached(_ cause: DenyReason, by client: PeerAddress, at number: Int) -> DenyReason? {
        guard listeners.pointer(to: number).pointee.settings.accessPolicy.limitsDryRun else { return cause }
        shared.counters.add(1, to: .dryRun(cause))
        shared.listenerMetrics.add(1, to: .dryRun(cause), of: number)
        keepExample(Denial(client: client, listener: Int16(number), cause: cause, isDryRun: true))
        return nil
    }

    private mutating func enterListener(
        _ number: Int,
        _ peer: PeerAddress,
        _ flags: inout Session.Flags
    ) -> DenyReason? {
        let listener = listeners.pointer(to: number)
        if let most = listener.pointee.settings.accessPolicy.maxConnections {
            if limits(of: number).reserve(atMost: most) {
                flags.insert(.countedForListener)
            } else if let cause = limitReached(.connections, by: peer, at: number) {
                return cause
            }
        }
        if let rate = listener.pointee.settings.accessPolicy.rate, !limits(of: number).take(rate, at: now) {
            return limitReached(.rate, by: peer, at: number)
        }
        return nil
    }

    /// Takes a token for the TLS handshake of a connection; returns false if the rate limit is reached.
    @inline(never)
    mutating func admitsHandshake(_ slot: Slot) -> Bool {
        let number = Int(sessions.pointer(to: slot).pointee.listener)
        let listener = listeners.pointer(to: number)
        guard let rate = listener.pointee.settings.tls?.configuration.handshakeRate else { return true }
        return limits(of: number).takeHandshake(rate, at: now)
    }

    /// Returns the shared limits of a listener. They apply to its connections under all its numbers.
    @inline(__always)
    private func limits(of number: Int) -> ListenerLimits { shared.limits[limitsNumber(of: number)] }

    /// Returns the position of a listener's limits in the table of all workers.
    @inline(__always)
    func limitsNumber(of number: Int) -> Int {
        let listener = listeners.pointer(to: number)
        return listener.pointee.settings.sharedLimits ?? listener.pointee.limits
    }

    /// Releases the reservations of a connection.
    @inline(never)
    mutating func leave(_ number: Int, _ client: PeerAddress, _ flags: Session.Flags) {
        if flags.contains(.countedForListener) { limits(of: number).release() }
        if flags.contains(.countedForClient), case .internet(let address) = client {
            limits(of: number).clients.release(address, as: flags.grouping, at: now)
        }
    }

    /// Releases the reservations and the preread bytes of a connection that ends.
    @inline(never)
    mutating func releaseLimits(_ slot: Slot) {
        let session = sessions.pointer(to: slot)
        if session.pointee.stage == .preread {
            leavePreread(slot)
            reportOpened(slot)
        } else if session.pointee.stage == .handshake {
            leavePreread(slot)
        } else if session.pointee.stage == .securing {
            handshakes.remove(slot)
        }
        if session.pointee.flags.contains(.hasPrereadBuffer) { discardPreread(slot) }
        leave(Int(session.pointee.listener), session.pointee.client, session.pointee.flags)
    }

    /// Rejects a connection that was accepted but has no session yet.
    @inline(never)
    mutating func deny(
        _ descriptor: consuming Descriptor,
        _ peer: PeerAddress,
        _ cause: DenyReason,
        at listener: Int
    ) {
        noteDenied(peer, cause, at: listener)
        system.abort(descriptor)
        shared.loads.add(-1, to: index)
        releasePermit()
    }

    /// Rejects a connection that has a session.
    mutating func deny(_ slot: Slot, _ cause: DenyReason) {
        let session = sessions.pointer(to: slot)
        noteDenied(session.pointee.client, cause, at: Int(session.pointee.listener))
        abort(slot, .denied, by: cause == .prereadEnded ? .client : .proxy)
    }

    /// Rejects a connection whose client has been sent an alert. The socket is closed, not reset, so that the alert arrives.
    ///
    /// - Parameter failure: the cause of a failed TLS handshake, for the log.
    @inline(never)
    mutating func denyWithAlert(_ slot: Slot, _ cause: DenyReason, failure: Int64 = 0) {
        let session = sessions.pointer(to: slot)
        noteDenied(session.pointee.client, cause, at: Int(session.pointee.listener), failure: failure)
        session.pointee.duplex.close(on: &system, with: &buffers)
        finalize(slot, .denied, by: .proxy)
    }
}

extension Worker where S: ~Copyable {
    /// Counts a denied connection, in total and for its client, and keeps it as an example for the log.
    private mutating func noteDenied(
        _ client: PeerAddress,
        _ cause: DenyReason,
        at listener: Int,
        failure: Int64 = 0
    ) {
        shared.counters.add(1, to: .denied(cause))
        shared.listenerMetrics.add(1, to: .denied(cause), of: listener)
        clients.record(
            ClientTable.Entry(
                address: client.withoutPort,
                total: 0,
                bytesUpstream: 0,
                bytesDownstream: 0,
                firstSeen: now,
                lastSeen: now,
                denied: 1
            )
        )
        keepExample(
            Denial(client: client, listener: Int16(listener), cause: cause, isDryRun: false, tlsFailure: failure)
        )
    }

    private mutating func keepExample(_ denial: Denial) {
        guard shared.denials.count < WorkerSettings.maxDenialExamples else { return }
        if shared.denials.write(denial) { hasWrittenDenials = true }
    }
}

extension Session.Flags {
    /// The flag of a grouping under which a client is counted.
    fileprivate init(_ grouping: PerClientLimiter.Grouping) {
        switch grouping {
        case .client: self = []
        case .site: self = .countedForSite
        case .organization: self = .countedForOrganization
        }
    }

    /// The grouping under which the client is counted.
    fileprivate var grouping: PerClientLimiter.Grouping {
        contains(.countedForOrganization) ? .organization : contains(.countedForSite) ? .site : .client
    }
}
