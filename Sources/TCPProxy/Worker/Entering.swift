import Sockets
import Workers

// Whom a worker lets in, by its listeners' rules. Called only where a listener has any, and never for a byte.

extension Worker where S: ~Copyable {
    /// Decides about somebody who has just been accepted.
    ///
    /// - Parameter marks: what is to be given back when the connection ends, and whether a preface is to be read first.
    /// - Returns: why it must not come in; nothing is to be given back then.
    @inline(never)
    mutating func enter(_ peer: PeerAddress, at number: Int, _ marks: inout Session.Marks) -> DenialCause? {
        // Read where they are: a copy would count references that all workers share.
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
        // Who the client is stands in the header.
        if !marks.contains(.readsProxyHeader), let cause = enterClient(peer, at: number, &marks) { return cause }
        guard let cause = enterListener(number, &marks) else { return nil }
        leave(number, peer, marks)
        return cause
    }

    /// Decides about a client, once it is known who that is.
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

    /// What all workers agree on about a listener: whatever settings it has had, its connections count together.
    @inline(__always)
    private func limits(of number: Int) -> ListenerLimits {
        shared.limits[listeners.pointer(to: number).pointee.limits]
    }

    /// Gives back what a connection had been given.
    @inline(never)
    mutating func leave(_ number: Int, _ client: PeerAddress, _ marks: Session.Marks) {
        if marks.contains(.countedForListener) { limits(of: number).release() }
        if marks.contains(.countedForClient), case .internet(let address) = client {
            limits(of: number).clients.release(address, at: now)
        }
    }

    /// Gives back what a connection that ends had been given when it came in.
    @inline(never)
    mutating func leaveEntrance(_ slot: Slot) {
        let session = sessions.pointer(to: slot)
        if session.pointee.stage == .preface { tellOpened(slot) }
        if session.pointee.marks.contains(.hasPreface) { dropPreface(slot) }
        leave(Int(session.pointee.listener), session.pointee.client, session.pointee.marks)
    }

    /// Turns somebody away at the door.
    @inline(never)
    mutating func deny(_ descriptor: consuming Descriptor, _ cause: DenialCause, at listener: Int) {
        shared.counters.add(1, to: .denied(cause))
        shared.listenerFigures.add(1, to: .denied(cause), of: listener)
        system.abort(descriptor)
        shared.loads.add(-1, to: index)
        releasePlace()
    }

    /// Turns somebody away who has come in already.
    mutating func deny(_ slot: Slot, _ cause: DenialCause) {
        shared.counters.add(1, to: .denied(cause))
        shared.listenerFigures.add(1, to: .denied(cause), of: Int(sessions.pointer(to: slot).pointee.listener))
        abort(slot, .denied, by: cause == .prefaceEnded ? .client : .proxy)
    }
}
