import EventLoop
import Glibc
import Sockets

/// Opening of connections.
extension Generator where Network: ~Copyable, Load: ~Copyable {
    /// Whether connections are missing that may be dialed once the redial pause has elapsed.
    var mayDial: Bool {
        guard connections.count < configuration.connections else { return false }
        switch configuration.lifecycle {
        case .kept: return dialing < Limits.dialsAtOnce
        case .perExchange: return !isOpenLoop
        case .held: return false
        }
    }

    /// Opens connections before the start, a limited number at a time, until each has been tried once.
    mutating func openMore() {
        while attempts < configuration.connections, dialing < Limits.dialsAtOnce,
            connections.count < configuration.connections
        {
            attempts += 1
            dial(due: now)
        }
        if attempts == configuration.connections, dialing == 0 { settleOpening() }
    }

    /// Replaces lost connections.
    mutating func redial() {
        while mayDial, now >= nextDial { dial(due: now) }
    }

    /// Starts a connect.
    mutating func dial(due: Instant) {
        let moment = system.now()
        let source = configuration.sources.isEmpty ? nil : configuration.sources[nextSource]
        if !configuration.sources.isEmpty { nextSource = (nextSource + 1) % configuration.sources.count }
        let descriptor: Descriptor
        do throws(SystemError) {
            guard connections.reserve(on: &system) else { throw .outOfMemory }
            descriptor = try system.connect(to: configuration.target, from: source, options: SocketOptions())
        } catch {
            return dialFailed(error, due: due)
        }
        let slot = connections.insert(
            Connection(descriptor: descriptor, dialedAt: moment, due: due, exchange: workload.initial)
        )
        dialing += 1
        let link = connections.pointer(to: slot)
        let error = system.register(link.pointee.descriptor, for: .connection, token: token(of: slot))
        if let error { fail(slot, link, error) }
    }

    /// Handles the first event of a connecting socket.
    mutating func dialed(_ slot: Int, _ link: Link, _ readiness: Readiness) {
        if readiness.reportsFailure {
            let error = system.takeError(of: link.pointee.descriptor) ?? .connectionReset
            return failOpening(slot, link, error)
        }
        guard readiness.wantsSend else { return }
        if system.mayConnectToItself(configuration.target), system.isConnectedToItself(link.pointee.descriptor) {
            return failOpening(slot, link, .connectionRefused)
        }
        if let header = configuration.proxyHeader, let error = sendHeader(header, link) {
            return failOpening(slot, link, error)
        }
        let moment = system.now()
        sample.connect.record(link.pointee.dialedAt, moment)
        if readiness.wantsReceive { link.pointee.isUnread = true }
        if readiness.reportsEOF { link.pointee.hasEnded = true }
        if let channels { return startHandshake(slot, link, channels, readiness) }
        established(slot, link, at: moment)
    }

    /// Starts the use of a connection that is established, including its handshake.
    mutating func established(_ slot: Int, _ link: Link, at moment: Instant) {
        counts.connected += 1
        counts.open += 1
        dialing -= 1
        redialPause = Limits.firstRedialPause
        if isPerExchange {
            if let channels, workload.isEmpty { return startClosing(slot, link, channels) }
            // The connect is part of the exchange, so the exchange began with it.
            begin(slot, link, due: link.pointee.due, at: link.pointee.dialedAt)
            if workload.isEmpty { complete(slot, link) }
            return
        }
        // Sends the delayed ACK of the handshake: the first request may come much later, and the server side is not
        // established before the ACK, which matters if the target sends first.
        if channels == nil { system.sendDelayedACK(on: link.pointee.descriptor) }
        link.pointee.phase = .idle
        link.pointee.idleSince = moment
        idle.append(slot)
        if stage == .opening {
            stageDeadline = now + configuration.connectTimeout + configuration.connectTimeout
            openMore()
        }
    }

    /// Fails a connect or a handshake, and continues with the next one.
    mutating func failOpening(_ slot: Int, _ link: Link, _ error: SystemError) {
        fail(slot, link, error)
        if stage == .opening { openMore() }
    }

    mutating func failOpening(_ slot: Int, _ link: Link, _ cause: LoadTest.FailureCause) {
        fail(slot, link, cause)
        if stage == .opening { openMore() }
    }

    /// Sends the PROXY protocol header of a connection that was just established. Its send buffer is empty and larger
    /// than a header, so the header is accepted as a whole.
    private mutating func sendHeader(_ version: LoadTest.ProxyHeader, _ link: Link) -> SystemError? {
        do throws(SystemError) {
            let source = try system.localAddress(of: link.pointee.descriptor)
            let header = version.bytes(from: source, to: configuration.target.socketAddress)
            switch header.withUnsafeBytes({ system.send($0, to: link.pointee.descriptor) }) {
            case .moved(let count) where count == header.count:
                counts.bytesSent += count
                counts.bytesUnacknowledged += count
                link.pointee.unacknowledged += count
                return nil
            case .failed(let error): return error
            case .moved, .wouldBlock, .ended: return SystemError(code: ENOBUFS)
            }
        } catch {
            return error
        }
    }

    /// Handles a connect that failed immediately.
    private mutating func dialFailed(_ error: SystemError, due: Instant) {
        let cause = LoadTest.FailureCause(error)
        if cause == .other { counts.failures.otherError = error }
        counts.failures[cause] += 1
        if isPerExchange, due >= measureFrom { noteFailure(due: due) }
        dialFailed()
    }

    /// Delays the next connect, with exponential backoff, so that an unreachable target is not flooded.
    mutating func dialFailed() {
        // Of several concurrent connects that fail, only the first one counts.
        guard now >= nextDial else { return }
        nextDial = now + redialPause
        redialPause = min(redialPause + redialPause, Limits.maxRedialPause)
    }
}
