import EventLoop
import Relay
import Sockets
import TLS

// TLS handshakes with clients and servers. Not called for connections without TLS.

extension Worker where S: ~Copyable {
    /// Reserves the memory that TLS with a client needs, before a connection is accepted.
    @inline(never)
    mutating func reserveClientTransforms() -> Bool {
        clientTransforms.reserve(on: &system) && buffers.reserveForTransforms(on: &system)
    }

    /// Continues the handshake of a connection after the other events of this wakeup.
    @inline(never)
    mutating func queueHandshake(_ slot: Slot) {
        handshakes.remove(slot)
        handshakes.append(slot)
    }

    /// Continues a bounded number of handshakes, so that many of them do not delay running connections.
    @inline(never)
    mutating func continueHandshakes() {
        for _ in 0..<WorkerSettings.handshakesPerWakeUp {
            guard let slot = handshakes.popFirst() else { return }
            continueHandshake(slot)
        }
    }

    /// Continues the handshake of a connection.
    @inline(never)
    mutating func continueHandshake(_ slot: Slot) {
        switch sessions.pointer(to: slot).pointee.stage {
        case .handshake: continueClientHandshake(slot)
        case .securing: continueServerHandshake(slot)
        case .preread, .queued, .dialing, .relaying, .drainingBeforeReset: break
        }
    }

    // MARK: Clients

    /// Starts the handshake with a client, after the bytes that have been read before server selection.
    ///
    /// - Parameter context: the index of the context selected by the ClientHello.
    @inline(never)
    mutating func startClientHandshake(_ slot: Slot, context: Int16 = 0) {
        guard admitsHandshake(slot) else { return deny(slot, .handshakeRate) }
        let session = sessions.pointer(to: slot)
        guard reserveClientTransforms(),
            let transform = S.Transform.accept(settings(of: slot).pointee.settings.tls!.contexts[Int(context)])
        else {
            shared.counters.add(1, to: .memoryAllocationFailures)
            return abort(slot, .connectFailed, by: .proxy)
        }
        clientTransforms.set(TransformedEndpoint(transform), at: slot)
        clientTransforms.pointer(to: slot).pointee.requiresEnd = requiresCloseNotify(of: slot)
        session.pointee.flags.insert(.transformsClient)
        guard movePreread(slot) else { return abort(slot, .connectFailed, by: .proxy) }
        session.pointee.stage = .handshake
        // Silent clients must not use up the connections of the process, as in preread.
        prereads.append(slot)
        shared.connectionLimiter.addPrereads(1)
        // A connection that was accepted can send until the poller says otherwise.
        session.pointee.duplex.client.canSend = true
        setTimer(slot)
        queueHandshake(slot)
    }

    private func requiresCloseNotify(of slot: Slot) -> Bool {
        settings(of: slot).pointee.settings.tls!.configuration.requiresCloseNotify
    }

    /// Moves the bytes that follow a PROXY protocol header to the transform. The header stays, because its fields are passed
    /// on to the server.
    ///
    /// - Returns: false if the system is out of memory.
    private mutating func movePreread(_ slot: Slot) -> Bool {
        guard sessions.pointer(to: slot).pointee.flags.contains(.hasPrereadBuffer) else { return true }
        let preread = prereadBuffers.pointer(to: slot)
        let rest = preread.pointee.rest
        guard rest.count > 0 else { return true }
        guard let chunk = buffers.chunks.take(on: &system) else { return false }
        chunk.copyMemory(from: rest.baseAddress!, byteCount: rest.count)
        preread.pointee.count = preread.pointee.headerLength
        clientTransforms.pointer(to: slot).pointee.begin(with: chunk, offset: 0, count: rest.count)
        return true
    }

    private mutating func continueClientHandshake(_ slot: Slot) {
        let session = sessions.pointer(to: slot)
        let transform = clientTransforms.pointer(to: slot)
        switch transform.pointee.handshake(with: &session.pointee.duplex.client, on: &system, with: &buffers) {
        case .waiting:
            break
        case .done:
            shared.counters.add(1, to: .handshakes(isResumed: transform.pointee.transform.isResumed))
            leavePreread(slot)
            startSelection(slot)
        case .failed:
            handshakeFailed(slot)
        case .ended:
            deny(slot, .prereadEnded)
        }
    }

    /// Closes the connection of a client with which no TLS connection could be established. The socket is closed, not
    /// reset, so that the client receives the alert.
    @inline(never)
    mutating func handshakeFailed(_ slot: Slot) {
        let session = sessions.pointer(to: slot)
        if session.pointee.duplex.client.failure != nil { return deny(slot, .prereadEnded) }
        let failure = clientTransforms.pointer(to: slot).pointee.transform.failure
        denyWithAlert(slot, .tlsHandshake, failure: failure)
    }

    /// Refuses a client with a message in its protocol.
    @inline(never)
    mutating func refuse(_ slot: Slot, _ refusal: Refusal) {
        let session = sessions.pointer(to: slot)
        refusal.message.withUnsafeBytes { bytes in
            _ = system.send(bytes, to: session.pointee.duplex.client.descriptor!)
        }
        denyWithAlert(slot, refusal.cause)
    }

    // MARK: Servers

    /// Creates the transform for an attempt to connect to the selected server. Not after the connect, because the pool may
    /// have been replaced by then.
    ///
    /// - Returns: false if the system is out of memory.
    @inline(never)
    mutating func createServerTransform(_ slot: Slot) -> Bool {
        let session = sessions.pointer(to: slot)
        let pool = pools.pointer(to: pool(of: slot))
        guard serverTransforms.reserve(on: &system), buffers.reserveForTransforms(on: &system),
            let tls = pool.pointee.tls,
            let transform = S.Transform.connect(tls.context, to: tls.servers[Int(session.pointee.dial.position)])
        else { return false }
        serverTransforms.set(TransformedEndpoint(transform), at: slot)
        serverTransforms.pointer(to: slot).pointee.requiresEnd = tls.configuration.requiresCloseNotify
        session.pointee.flags.insert(pool.pointee.isPostgres ? .securesServer : .transformsServer)
        return true
    }

    /// Starts the handshake with a server, or the request for it, after the connect. A PROXY protocol header precedes it.
    ///
    /// - Returns: false if the system is out of memory.
    @inline(never)
    mutating func startServerHandshake(_ slot: Slot) -> Bool {
        let session = sessions.pointer(to: slot)
        if session.pointee.flags.contains(.requestsServerTLS) {
            session.pointee.flags.insert(.awaitsServerAnswer)
            session.pointee.dial.requestSent = 0
        } else if let version = pools.pointer(to: pool(of: slot)).pointee.proxyProtocol {
            let length = writeHeader(version, slot)
            let header = UnsafeRawBufferPointer(rebasing: buffers.shared[..<length])
            let endpoint = serverTransforms.pointer(to: slot)
            guard endpoint.pointee.prepend(header, on: &system, with: &buffers) else { return false }
        }
        session.pointee.stage = .securing
        queueHandshake(slot)
        return true
    }

    /// Handles an event of either side during the handshake with a server.
    @inline(never)
    mutating func serverHandshakeProgressed(_ slot: Slot) {
        let session = sessions.pointer(to: slot)
        if session.pointee.duplex.client.failure != nil {
            shared.counters.add(1, to: .failure(.clientGone))
            return abort(slot, .reset, by: .client)
        }
        queueHandshake(slot)
    }

    private mutating func continueServerHandshake(_ slot: Slot) {
        let session = sessions.pointer(to: slot)
        if session.pointee.flags.contains(.awaitsServerAnswer), !requestServerTLS(slot) { return }
        guard session.pointee.flags.contains(.transformsServer) else { return serverReached(slot) }
        let transform = serverTransforms.pointer(to: slot)
        switch transform.pointee.handshake(with: &session.pointee.duplex.server, on: &system, with: &buffers) {
        case .waiting:
            break
        case .done:
            serverReached(slot)
        case .failed where session.pointee.duplex.server.failure == nil:
            session.pointee.dial.server!.noteTLSFailure(transform.pointee.transform.failure)
            attemptFailed(slot, .protocolError)
        case .failed, .ended:
            attemptFailed(slot, session.pointee.duplex.server.failure ?? .protocolError)
        }
    }

    // MARK: Release

    /// Ends the handshake with a server, or the request for it, before the next attempt.
    @inline(never)
    mutating func releaseServerTransform(_ slot: Slot) {
        let session = sessions.pointer(to: slot)
        handshakes.remove(slot)
        session.pointee.flags.remove(.awaitsServerAnswer)
        session.pointee.stage = .dialing
        guard session.pointee.flags.contains(.transformsServer) else { return }
        session.pointee.flags.remove(.transformsServer)
        serverTransforms.pointer(to: slot).pointee.release(with: &buffers)
    }

    /// Frees the transforms of a connection that ends, and counts truncated streams.
    @inline(never)
    mutating func releaseTransforms(_ slot: Slot) {
        let session = sessions.pointer(to: slot)
        handshakes.remove(slot)
        if session.pointee.flags.contains(.transformsClient) {
            let endpoint = clientTransforms.pointer(to: slot)
            if endpoint.pointee.isTruncated { shared.counters.add(1, to: .truncatedUpstream) }
            shared.counters.add(endpoint.pointee.pendingPlaintext, to: .discardedDownstream)
            endpoint.pointee.release(with: &buffers)
        }
        if session.pointee.flags.contains(.transformsServer) {
            let endpoint = serverTransforms.pointer(to: slot)
            if endpoint.pointee.isTruncated { shared.counters.add(1, to: .truncatedDownstream) }
            shared.counters.add(endpoint.pointee.pendingPlaintext, to: .discardedUpstream)
            endpoint.pointee.release(with: &buffers)
        }
    }

    // MARK: Relay

    /// Relays what is possible through the transforms and within the bandwidth limit of a connection that has either.
    @inline(never)
    mutating func relayRestricted(_ slot: Slot) -> Duplex.Outcome {
        let session = sessions.pointer(to: slot)
        if session.pointee.flags.isDisjoint(with: .transforms) { return relayWithinBandwidth(slot) }
        return relayTransformed(slot)
    }

    /// Relays what is possible through the transforms, within the bandwidth limit if there is one.
    @inline(never)
    private mutating func relayTransformed(_ slot: Slot) -> Duplex.Outcome {
        let session = sessions.pointer(to: slot)
        let client = session.pointee.flags.contains(.transformsClient) ? clientTransforms.pointer(to: slot) : nil
        let server = session.pointee.flags.contains(.transformsServer) ? serverTransforms.pointer(to: slot) : nil
        var allowance = allowance(of: slot)
        let before = allowance
        let outcome = session.pointee.duplex.turn(
            on: &system,
            with: &buffers,
            client: client,
            server: server,
            upstream: &allowance.upstream,
            downstream: &allowance.downstream
        )
        spend(before.upstream - allowance.upstream, before.downstream - allowance.downstream, slot)
        // A part of a record is activity, too: a slow link may need longer than a timeout for a whole one.
        let clientWasActive = client?.pointee.takeActivity() ?? false
        let serverWasActive = server?.pointee.takeActivity() ?? false
        if clientWasActive || serverWasActive { session.pointee.lastActivity = now }
        return outcome
    }

    /// Whether the transforms of a connection hold bytes in either direction.
    @inline(never)
    func transformsHoldBytes(_ slot: Slot) -> Bool {
        let flags = sessions.pointer(to: slot).pointee.flags
        if flags.contains(.transformsClient), clientTransforms.pointer(to: slot).pointee.holdsBytes { return true }
        return flags.contains(.transformsServer) && serverTransforms.pointer(to: slot).pointee.holdsBytes
    }

    /// Sends the end of the plaintext (close_notify) through the transforms of an idle connection that is closed.
    @inline(never)
    mutating func sendTransformEnds(_ slot: Slot) {
        let session = sessions.pointer(to: slot)
        if session.pointee.flags.contains(.transformsClient) {
            let endpoint = clientTransforms.pointer(to: slot)
            endpoint.pointee.sendEnd(to: &session.pointee.duplex.client, on: &system, with: &buffers)
        }
        if session.pointee.flags.contains(.transformsServer) {
            let endpoint = serverTransforms.pointer(to: slot)
            endpoint.pointee.sendEnd(to: &session.pointee.duplex.server, on: &system, with: &buffers)
        }
    }

    /// Reads and discards what a peer has sent after the end of its plaintext (RFC 8446, 6.1), before the sockets are closed:
    /// the kernel resets a connection that is closed with unread bytes, and discards what it has not sent yet.
    @inline(never)
    mutating func discardInput(_ slot: Slot) {
        let session = sessions.pointer(to: slot)
        discardInput(from: &session.pointee.duplex.client)
        discardInput(from: &session.pointee.duplex.server)
    }

    private mutating func discardInput(from endpoint: inout Endpoint) {
        guard endpoint.descriptor != nil else { return }
        for _ in 0..<WorkerSettings.maxDiscardedReads {
            guard case .moved = system.receive(from: endpoint.descriptor!, into: buffers.shared) else { return }
        }
    }

    /// Whether bytes can be received from a transform without reading its socket.
    @inline(__always)
    func hasInput(of side: Side, _ slot: Slot) -> Bool {
        let flags = sessions.pointer(to: slot).pointee.flags
        switch side {
        case .client: return flags.contains(.transformsClient) && clientTransforms.pointer(to: slot).pointee.hasInput
        case .server: return flags.contains(.transformsServer) && serverTransforms.pointer(to: slot).pointee.hasInput
        }
    }

    /// Returns the number of encoded bytes that wait for a socket, if the other side has failed.
    @inline(never)
    func pendingOutput(_ slot: Slot) -> Int {
        let session = sessions.pointer(to: slot)
        var count = 0
        if session.pointee.flags.contains(.transformsClient), session.pointee.duplex.client.failure == nil {
            count += clientTransforms.pointer(to: slot).pointee.pendingOutput
        }
        if session.pointee.flags.contains(.transformsServer), session.pointee.duplex.server.failure == nil {
            count += serverTransforms.pointer(to: slot).pointee.pendingOutput
        }
        return count
    }
}
