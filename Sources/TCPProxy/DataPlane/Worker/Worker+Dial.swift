import EventLoop
import Glibc
import Relay
import Sockets

// Connection attempts to servers.

extension Worker where S: ~Copyable {
    /// Starts a connection attempt to the selected server.
    mutating func dial(_ slot: Slot, at address: RawAddress) {
        let session = sessions.pointer(to: slot)
        session.pointee.dial.attempts += 1
        if session.pointee.dial.isRetry {
            session.pointee.dial.isRetry = false
            shared.poolMetrics.add(1, to: .retries, of: pool(of: slot))
        }
        session.pointee.dial.startedAt = now
        session.pointee.dial.retryAt = nil
        session.pointee.dial.mayConnectToItself = system.mayConnectToItself(address)
        let options = settings(of: slot).pointee.settings.socketOptions
        do throws(SystemError) {
            let descriptor = try system.connect(to: address, from: source(of: slot), options: options)
            let kind = TokenKind.server(session.pointee.dial.tag)
            let token = Token(slot: slot, generation: sessions.generation(of: slot), kind: kind.rawValue)
            let error = system.register(descriptor, for: .connection, token: token)
            session.pointee.duplex.server.descriptor = consume descriptor
            if shared.loops.listens(on: address.port) { noteOwnConnection(slot, to: address) }
            if let error { throw error }
            clearStarvation(slot)
            setTimer(slot)
        } catch {
            attemptFailed(slot, error)
        }
    }

    /// Handles the first event of the server's socket: the attempt has succeeded or failed.
    mutating func dialProgressed(_ slot: Slot, _ readiness: Readiness) {
        let session = sessions.pointer(to: slot)
        if readiness.contains(.failed) || readiness.contains(.hungUp) {
            let error = system.takeError(of: session.pointee.duplex.server.descriptor!)
            // A hangup without an error means that the connection was established and closed immediately. ECONNRESET
            // means that it was established, too, because a failed handshake reports ECONNREFUSED; data received before
            // the reset is for the client.
            if let error, !error.isReset { return attemptFailed(slot, error) }
            session.pointee.duplex.server.failure = error
        }
        guard readiness.contains(.writable) || readiness.contains(.hungUp) else { return }
        if session.pointee.dial.mayConnectToItself, isConnectedToItself(slot) {
            return attemptFailed(slot, .connectionRefused)
        }
        session.pointee.duplex.server.note(readiness)
        session.pointee.duplex.server.canSend = true
        if !session.pointee.flags.isDisjoint(with: .securesServer) {
            guard startServerHandshake(slot) else { return attemptFailed(slot, .outOfMemory) }
            return
        }
        serverReached(slot)
    }

    /// Starts the relay after the connect, and the TLS handshake with the server if there is one.
    @inline(__always)
    mutating func serverReached(_ slot: Slot) {
        let session = sessions.pointer(to: slot)
        noteConnected(slot)
        session.pointee.stage = .relaying
        session.pointee.lastActivity = now
        setTimer(slot)
        if session.pointee.flags.contains(.hasPrereadBuffer)
            || pools.pointer(to: pool(of: slot)).pointee.proxyProtocol != nil
        {
            guard startUpstream(slot) else { return abort(slot, .connectFailed, by: .proxy) }
        }
        // If the client waits for the server to send first, there is no data to carry the ACK of the handshake.
        if !session.pointee.duplex.client.canReceive, session.pointee.duplex.upstream.state.pending == 0 {
            system.sendDelayedACK(on: session.pointee.duplex.server.descriptor!)
        }
        relay(slot)
    }

    /// Whether the server's socket is connected to itself, so that no server listens there. Such a socket is reset:
    /// after a regular close, its port would stay in use, and the server could not listen there.
    private mutating func isConnectedToItself(_ slot: Slot) -> Bool {
        let session = sessions.pointer(to: slot)
        guard system.isConnectedToItself(session.pointee.duplex.server.descriptor!) else { return false }
        if let descriptor = session.pointee.duplex.server.descriptor.take() { system.abort(descriptor) }
        return true
    }

    /// Handles a failed attempt: tries the next server, retries the selection later after resource exhaustion, or gives
    /// up.
    mutating func attemptFailed(_ slot: Slot, _ error: SystemError) {
        let session = sessions.pointer(to: slot)
        if !session.pointee.flags.isDisjoint(with: .securesServer) { releaseServerTransform(slot) }
        if let descriptor = session.pointee.duplex.server.descriptor.take() { system.close(descriptor) }
        session.pointee.duplex.server = Endpoint(nil, canSend: false)
        let cause = ConnectFailure(error)
        shared.counters.add(1, to: .failure(cause))
        let server = session.pointee.dial.server!
        shared.serverMetrics.add(1, to: .failure(cause), of: server.id)
        releaseServer(slot)
        if error.isExhaustion { markStarved(slot) }
        if cause == .exhausted {
            session.pointee.dial.retryAt = now + WorkerSettings.dialRetryInterval
            setTimer(slot)
            return
        }
        server.noteFailure(after: cause == .timeout ? sinceAttempt(slot) : nil, now: Int(now.nanoseconds))
        session.pointee.dial.tried.insert(Int(session.pointee.dial.position))
        session.pointee.dial.failures += 1
        session.pointee.dial.isRetry = true
        if Int(session.pointee.dial.failures) >= pools.pointer(to: pool(of: slot)).pointee.maxAttempts {
            return rejectNoServer(slot, .connectFailed)
        }
        findServer(slot)
    }

    /// Gives up an attempt that could not begin because memory for it was refused, and repeats it later.
    @inline(never)
    mutating func repeatAttemptLater(_ slot: Slot) {
        shared.counters.add(1, to: .memoryAllocationFailures)
        releaseServer(slot)
        markStarved(slot)
        sessions.pointer(to: slot).pointee.dial.attempts += 1
        sessions.pointer(to: slot).pointee.dial.startedAt = now
        sessions.pointer(to: slot).pointee.dial.retryAt = now + WorkerSettings.dialRetryInterval
        setTimer(slot)
    }

    /// Records that an attempt waits for exhausted resources. Accepting is paused: clients that each hold one
    /// descriptor and wait for a second one would block each other.
    private mutating func markStarved(_ slot: Slot) {
        guard !sessions.pointer(to: slot).pointee.dial.isResourceStarved else { return }
        sessions.pointer(to: slot).pointee.dial.isResourceStarved = true
        starvedDials += 1
        if listeners.isAnyOpen { _ = pauseAccepting(.exhausted) }
    }

    /// Records that an attempt has obtained the exhausted resource or has ended.
    mutating func clearStarvation(_ slot: Slot) {
        guard sessions.pointer(to: slot).pointee.dial.isResourceStarved else { return }
        sessions.pointer(to: slot).pointee.dial.isResourceStarved = false
        starvedDials -= 1
        if starvedDials == 0, pause == .exhausted { resumeAccepting() }
    }

    /// Returns the local address for a connection's attempts; connections use the configured addresses in rotation.
    @inline(__always)
    private func source(of slot: Slot) -> RawAddress? {
        let listener = settings(of: slot)
        let count = listener.pointee.settings.sources.count
        guard count > 0 else { return nil }
        let number = sessions.pointer(to: slot).pointee.id.rawValue
        return listener.pointee.settings.sources[Int(number % UInt64(count))]
    }

    /// Returns the time since the start of the attempt, in nanoseconds.
    @inline(__always)
    mutating func sinceAttempt(_ slot: Slot) -> Int {
        Int(clamping: now.since(sessions.pointer(to: slot).pointee.dial.startedAt).wholeNanoseconds)
    }

    private mutating func noteConnected(_ slot: Slot) {
        let session = sessions.pointer(to: slot)
        let nanoseconds = sinceAttempt(slot)
        let server = session.pointee.dial.server!
        pools.pointer(to: pool(of: slot)).pointee.prefer(Int(session.pointee.dial.position))
        server.noteConnected()
        switch pools.pointer(to: pool(of: slot)).pointee.latency {
        case .connect: server.noteLatency(nanoseconds, now: Int(now.nanoseconds))
        case .firstByte: session.pointee.dial.startedAt = now
        }
        noteServerReached(slot)
        let seconds = Double(nanoseconds) / 1e9
        let bucket = DurationHistogram.bounds.firstIndex { seconds <= $0 } ?? DurationHistogram.bounds.count
        shared.counters.add(1, to: .connectTime(bucket: bucket))
        shared.counters.add(nanoseconds, to: .connectNanoseconds)
        shared.serverMetrics.add(1, to: .connected, of: server.id)
        shared.serverMetrics.add(1, to: .connectTime(bucket: bucket), of: server.id)
        shared.serverMetrics.add(nanoseconds, to: .connectNanoseconds, of: server.id)
    }
}

extension ConnectFailure {
    init(_ error: SystemError) {
        switch error.code {
        case ECONNREFUSED, ENOENT: self = .refused
        case ETIMEDOUT: self = .timeout
        case EPROTO: self = .tls
        case ENETUNREACH, EHOSTUNREACH, ENETDOWN, EHOSTDOWN: self = .unreachable
        // A Unix socket with a full backlog reports EAGAIN (connect(2)); if no ephemeral port is left, TCP reports
        // EADDRNOTAVAIL.
        case _ where error.isExhaustion, EAGAIN, EADDRNOTAVAIL: self = .exhausted
        default: self = .other
        }
    }
}
