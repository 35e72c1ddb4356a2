import EventLoop
import Relay
import Sockets

// Parsing before server selection: the PROXY protocol header and the ClientHello. Not called for connections whose
// listener needs neither.

extension Worker where S: ~Copyable {
    /// Starts reading the PROXY header and the ClientHello.
    mutating func startPreread(_ slot: Slot) {
        sessions.pointer(to: slot).pointee.stage = .preread
        sessions.pointer(to: slot).pointee.flags.insert(.hasPrereadBuffer)
        prereadBuffers.set(PrereadBuffer(), at: slot)
        prereads.append(slot)
        shared.connectionLimiter.addPrereads(1)
        setTimer(slot)
    }

    /// Removes a connection from the list of those in preread.
    mutating func leavePreread(_ slot: Slot) {
        if prereads.remove(slot) { shared.connectionLimiter.addPrereads(-1) }
    }

    /// Whether a connection has been in preread long enough to be closed in favor of a new one.
    var hasOldPreread: Bool {
        mutating get {
            guard let slot = prereads.first else { return false }
            return now.since(sessions.pointer(to: slot).pointee.openedAt) >= WorkerSettings.minPrereadTime
        }
    }

    /// Closes the connection that has been in preread longest, if that is long enough, so that silent clients of one
    /// listener do not use up the connections of the process.
    ///
    /// - Returns: whether a connection was closed.
    @inline(never)
    mutating func evictPreread() -> Bool {
        guard hasOldPreread, let slot = prereads.first else { return false }
        deny(slot, .prereadEvicted)
        return true
    }

    /// Reads from the client after a readiness event and continues with server selection once they are complete.
    @inline(never)
    mutating func readPreread(_ slot: Slot) {
        let session = sessions.pointer(to: slot)
        let preread = prereadBuffers.pointer(to: slot)
        if preread.pointee.postgres.answer != nil, !sendPostgresAnswer(slot) { return }
        // Terminates: each iteration receives bytes and reduces the room, or finds that nothing can be read.
        while session.pointee.duplex.client.canReceive {
            guard let chunk = preread.pointee.chunk ?? buffers.chunks.take(on: &system) else {
                return abort(slot, .connectFailed, by: .proxy)
            }
            preread.pointee.chunk = chunk
            let start = PrereadBuffer.headroom + preread.pointee.count
            let room = UnsafeMutableRawBufferPointer(
                start: chunk + start,
                count: buffers.chunks.chunkSize - start
            )
            switch system.receive(from: session.pointee.duplex.client.descriptor!, into: room) {
            case .moved(let count):
                preread.pointee.count += count
                if count < room.count, !session.pointee.duplex.client.readsToTheEnd {
                    session.pointee.duplex.client.canReceive = false
                }
            case .wouldBlock:
                session.pointee.duplex.client.canReceive = false
            case .ended:
                return servesAsPlain(slot) ? endPreread(slot) : deny(slot, .prereadEnded)
            case .failed(let error):
                session.pointee.duplex.client.failure = error
                return deny(slot, .prereadEnded)
            }
            guard preread.pointee.count >= preread.pointee.wanted else { continue }
            switch parsePreread(slot) {
            case .incomplete(let wanted): preread.pointee.wanted = wanted
            case .answer:
                preread.pointee.wanted = preread.pointee.headerLength + 1
                guard sendPostgresAnswer(slot) else { return }
            case .complete: return endPreread(slot)
            case .refused(let refusal): return refuse(slot, refusal)
            case .denied(let cause): return deny(slot, cause)
            }
        }
    }

    enum PrereadResult {
        /// More bytes are needed; parse again when this many have been received.
        case incomplete(wanted: Int)
        /// The client waits for an answer before it sends more.
        case answer
        case complete
        /// The client is sent the reason before the connection is closed.
        case refused(Refusal)
        case denied(DenyReason)
    }

    @inline(never)
    private mutating func parsePreread(_ slot: Slot) -> PrereadResult {
        let session = sessions.pointer(to: slot)
        let preread = prereadBuffers.pointer(to: slot)
        if session.pointee.flags.contains(.readsProxyHeader) {
            switch ProxyProtocolHeader.read(preread.pointee.bytes) {
            case .needMore(let minimum):
                return .incomplete(wanted: minimum)
            case .header(let header):
                preread.pointee.headerLength = header.length
                preread.pointee.origin = header.origin
                preread.pointee.tlvs = header.tlvs
                if header.client == .unix, !session.pointee.flags.contains(.isUnix) {
                    // A client without an address would pass every access list and every limit per client.
                    preread.pointee.origin = .unknown
                } else if let client = header.client {
                    session.pointee.client = client
                }
            case .notProxy:
                let proxies = settings(of: slot).pointee.settings.accessPolicy.proxies
                guard let proxies, proxies.header == .optional else { return .denied(.proxyHeader) }
            case .malformed:
                return .denied(.proxyHeader)
            }
            session.pointee.flags.remove(.readsProxyHeader)
            let listener = Int(session.pointee.listener)
            if let cause = enterClient(session.pointee.client, at: listener, &session.pointee.flags) {
                return .denied(cause)
            }
        }
        guard session.pointee.flags.contains(.readsClientHello) else { return .complete }
        let isPostgres = settings(of: slot).pointee.settings.isPostgres
        if isPostgres, let result = parsePostgres(slot) { return result }
        switch ClientHello.read(preread.pointee.rest, scratch: buffers.shared) {
        case .needMore(let minimum):
            return .incomplete(wanted: preread.pointee.headerLength + minimum)
        case .hello(let hello):
            let scratch = UnsafeRawBufferPointer(buffers.shared)
            let settings = settings(of: slot)
            if isPostgres, !preread.pointee.postgres.isTLSAccepted, !PostgresRequest.isOffered(by: hello, in: scratch) {
                return .refused(.noPostgresProtocol)
            }
            var context = TLSRoute.byName
            if settings.pointee.settings.routes != nil {
                let route = settings.pointee.settings.routes!.route(for: hello, in: scratch)
                session.pointee.pool = route.pool
                context = route.context
            }
            session.pointee.flags.remove(.readsClientHello)
            guard settings.pointee.settings.hasTLS, context != TLSRoute.pass else {
                if preread.pointee.postgres.isTLSAccepted || pools.pointer(to: pool(of: slot)).pointee.isPostgres {
                    session.pointee.flags.insert(.requestsServerTLS)
                }
                return .complete
            }
            if context == TLSRoute.byName {
                let name = hello.serverName.map { UnsafeRawBufferPointer(rebasing: scratch[$0]) }
                guard let selected = settings.pointee.settings.tls!.context(for: name) else {
                    return .refused(.unknownName)
                }
                context = selected
            }
            preread.pointee.tlsContext = context
            return .complete
        case .notTLS:
            guard !isPostgres else { return .denied(.postgresRequest) }
            guard let pool = settings(of: slot).pointee.settings.routes?.plainPool else {
                return .denied(.clientHello)
            }
            session.pointee.pool = pool
            session.pointee.flags.remove(.readsClientHello)
            return .complete
        case .malformed, .tooLong:
            return .denied(.clientHello)
        }
    }

    /// Handles the preread timeout. A client that has sent nothing may wait for the server to send first, so it goes to
    /// the pool for connections without TLS, if there is one.
    @inline(never)
    mutating func prereadTimedOut(_ slot: Slot) {
        if servesAsPlain(slot) { endPreread(slot) } else { deny(slot, .prereadTimeout) }
    }

    /// Selects the pool for connections without TLS if there is one and the client has sent nothing for the server.
    ///
    /// - Returns: false if the connection cannot be served that way.
    @inline(never)
    private mutating func servesAsPlain(_ slot: Slot) -> Bool {
        let session = sessions.pointer(to: slot)
        // A PostgreSQL client sends first.
        guard !settings(of: slot).pointee.settings.isPostgres,
            !session.pointee.flags.contains(.readsProxyHeader), session.pointee.flags.contains(.readsClientHello),
            prereadBuffers.pointer(to: slot).pointee.rest.isEmpty,
            let pool = settings(of: slot).pointee.settings.routes?.plainPool
        else { return false }
        session.pointee.pool = pool
        session.pointee.flags.remove(.readsClientHello)
        return true
    }

    /// Starts the TLS handshake or server selection after the preread bytes are complete.
    private mutating func endPreread(_ slot: Slot) {
        leavePreread(slot)
        reportOpened(slot)
        if let context = prereadBuffers.pointer(to: slot).pointee.tlsContext {
            startClientHandshake(slot, context: context)
        } else if settings(of: slot).pointee.settings.startsWithHandshake {
            startClientHandshake(slot)
        } else {
            startSelection(slot)
        }
    }

    /// Starts server selection.
    mutating func startSelection(_ slot: Slot) {
        let session = sessions.pointer(to: slot)
        session.pointee.stage = .dialing
        session.pointee.dial.beganAt = now
        session.pointee.dial.startedAt = now
        findServer(slot)
    }

    /// Writes the opened event of a connection; with a PROXY header, the client's address is not known earlier.
    mutating func reportOpened(_ slot: Slot) {
        guard shared.subscriptions.hasSubscribers else { return }
        let session = sessions.pointer(to: slot)
        write(
            .connectionOpened(
                id: session.pointee.id,
                client: session.pointee.client,
                active: shared.connectionLimiter.active,
                total: shared.connectionLimiter.total
            )
        )
    }

    // MARK: The server's first bytes

    /// Starts the upstream direction with the bytes received before server selection, preceded by a PROXY protocol
    /// header if the pool requires one.
    ///
    /// - Returns: false if the system is out of memory.
    @inline(never)
    mutating func startUpstream(_ slot: Slot) -> Bool {
        let session = sessions.pointer(to: slot)
        var preread =
            session.pointee.flags.contains(.hasPrereadBuffer)
            ? prereadBuffers.pointer(to: slot).pointee : PrereadBuffer()
        session.pointee.flags.remove(.hasPrereadBuffer)
        var start = PrereadBuffer.headroom + preread.headerLength
        var count = preread.rest.count
        // With TLS to the server, the header has been sent ahead of the handshake, or of the request for it.
        if session.pointee.flags.isDisjoint(with: .securesServer),
            let version = pools.pointer(to: pool(of: slot)).pointee.proxyProtocol
        {
            guard let chunk = preread.chunk ?? buffers.chunks.take(on: &system) else { return false }
            preread.chunk = chunk
            let length = writeHeader(version, slot, preread)
            // With TLS, the header may not fit in front of the received one, but no bytes follow that.
            start = count == 0 ? 0 : start - length
            count += length
            (chunk + start).copyMemory(from: buffers.shared.baseAddress!, byteCount: length)
        }
        guard let chunk = preread.chunk else { return true }
        if count > 0 {
            session.pointee.duplex.upstream.begin(with: chunk, offset: start, count: count)
        } else {
            buffers.chunks.release(chunk)
        }
        return true
    }

    /// Writes the PROXY protocol header for a server into the shared buffer, with the fields of a received one.
    ///
    /// - Returns: the length of the header.
    mutating func writeHeader(_ version: ProxyProtocolVersion, _ slot: Slot) -> Int {
        let hasPreread = sessions.pointer(to: slot).pointee.flags.contains(.hasPrereadBuffer)
        return writeHeader(version, slot, hasPreread ? prereadBuffers.pointer(to: slot).pointee : PrereadBuffer())
    }

    /// Writes the PROXY protocol header for a server into the shared buffer.
    ///
    /// - Returns: the length of the header.
    @inline(never)
    mutating func writeHeader(_ version: ProxyProtocolVersion, _ slot: Slot, _ preread: PrereadBuffer) -> Int {
        let outboundAddresses = outboundAddresses(slot, preread)
        let received = UnsafeRawBufferPointer(rebasing: preread.bytes[preread.tlvs])
        var added: [UInt8] = []
        if version == .v2, sessions.pointer(to: slot).pointee.flags.contains(.transformsClient) {
            added = tlsFields(slot, besides: received)
        }
        do throws(ProxyProtocolHeader.WriteFault) {
            guard !added.isEmpty else {
                return try ProxyProtocolHeader.write(version, outboundAddresses, tlvs: received, into: buffers.shared)
            }
            let fields = received + added
            return try fields.withUnsafeBufferPointer { fields throws(ProxyProtocolHeader.WriteFault) in
                let tlvs = UnsafeRawBufferPointer(fields)
                return try ProxyProtocolHeader.write(version, outboundAddresses, tlvs: tlvs, into: buffers.shared)
            }
        } catch {
            // The received fields were validated when parsed and are not longer than a header permits.
            preconditionFailure("cannot write a PROXY protocol header: \(error)")
        }
    }

    private mutating func outboundAddresses(_ slot: Slot, _ preread: PrereadBuffer)
        -> ProxyProtocolHeader.OutboundAddresses
    {
        switch preread.origin {
        case .internet(let source, let destination):
            return .addresses(source: .internet(source), destination: .internet(destination))
        case .unix(let paths):
            return .unixPaths(UnsafeRawBufferPointer(rebasing: preread.bytes[paths]))
        case .local, .unknown, nil:
            break
        }
        let session = sessions.pointer(to: slot)
        guard case .internet(let source) = session.pointee.client,
            let destination = try? system.localAddress(of: session.pointee.duplex.client.descriptor!)
        else { return .unknown }
        return .addresses(source: .internet(source), destination: destination)
    }

    /// Releases preread bytes that have not been passed to a server.
    @inline(never)
    mutating func discardPreread(_ slot: Slot) {
        let preread = prereadBuffers.pointer(to: slot)
        guard let chunk = preread.pointee.chunk else { return }
        // Bytes of denied connections do not count as discarded.
        if sessions.pointer(to: slot).pointee.stage != .preread {
            shared.counters.add(preread.pointee.rest.count, to: .discardedUpstream)
        }
        preread.pointee.chunk = nil
        buffers.chunks.release(chunk)
    }
}
