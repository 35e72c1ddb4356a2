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
        setTimer(slot)
    }

    /// Reads from the client after a readiness event and continues with server selection once they are complete.
    @inline(never)
    mutating func readPreread(_ slot: Slot) {
        let session = sessions.pointer(to: slot)
        let preread = prereadBuffers.pointer(to: slot)
        // Terminates: each iteration receives bytes and reduces the room, or finds that nothing can be read.
        while session.pointee.duplex.client.canReceive {
            if preread.pointee.chunk == nil { preread.pointee.chunk = buffers.chunks.take() }
            let start = PrereadBuffer.headroom + preread.pointee.count
            let room = UnsafeMutableRawBufferPointer(
                start: preread.pointee.chunk! + start,
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
                return deny(slot, .prereadEnded)
            case .failed(let error):
                session.pointee.duplex.client.failure = error
                return deny(slot, .prereadEnded)
            }
            guard preread.pointee.count >= preread.pointee.wanted else { continue }
            switch parsePreread(slot) {
            case .incomplete(let wanted): preread.pointee.wanted = wanted
            case .complete: return endPreread(slot)
            case .denied(let cause): return deny(slot, cause)
            }
        }
    }

    private enum Judgement {
        /// More bytes are needed; parse again when this many have been received.
        case incomplete(wanted: Int)
        case complete
        case denied(DenyReason)
    }

    @inline(never)
    private mutating func parsePreread(_ slot: Slot) -> Judgement {
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
                if let client = header.client { session.pointee.client = client }
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
        switch ClientHello.read(preread.pointee.rest, scratch: buffers.shared) {
        case .needMore(let minimum):
            return .incomplete(wanted: preread.pointee.headerLength + minimum)
        case .hello(let hello):
            let routes = settings(of: slot).pointee.settings.routes!
            session.pointee.pool = routes.pool(for: hello, in: UnsafeRawBufferPointer(buffers.shared))
            session.pointee.flags.remove(.readsClientHello)
            return .complete
        case .notTLS, .malformed, .tooLong:
            return .denied(.clientHello)
        }
    }

    /// Starts server selection after the preread bytes are complete.
    private mutating func endPreread(_ slot: Slot) {
        let session = sessions.pointer(to: slot)
        session.pointee.stage = .dialing
        session.pointee.dial.beganAt = now
        session.pointee.dial.startedAt = now
        reportOpened(slot)
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
    @inline(never)
    mutating func startUpstream(_ slot: Slot) {
        let session = sessions.pointer(to: slot)
        var preread =
            session.pointee.flags.contains(.hasPrereadBuffer)
            ? prereadBuffers.pointer(to: slot).pointee : PrereadBuffer()
        session.pointee.flags.remove(.hasPrereadBuffer)
        var start = PrereadBuffer.headroom + preread.headerLength
        var count = preread.rest.count
        if let version = pools.pointer(to: pool(of: slot)).pointee.proxyProtocol {
            let length = writeHeader(version, slot, preread)
            let chunk = preread.chunk ?? buffers.chunks.take()
            preread.chunk = chunk
            start -= length
            count += length
            (chunk + start).copyMemory(from: buffers.shared.baseAddress!, byteCount: length)
        }
        guard let chunk = preread.chunk else { return }
        if count > 0 {
            session.pointee.duplex.upstream.begin(with: chunk, offset: start, count: count)
        } else {
            buffers.chunks.release(chunk)
        }
    }

    /// Writes the PROXY protocol header for a server into the shared buffer.
    ///
    /// - Returns: the length of the header.
    @inline(never)
    private mutating func writeHeader(_ version: ProxyProtocolVersion, _ slot: Slot, _ preread: PrereadBuffer) -> Int {
        let outboundAddresses = outboundAddresses(slot, preread)
        let tlvs = UnsafeRawBufferPointer(rebasing: preread.bytes[preread.tlvs])
        do throws(ProxyProtocolHeader.WriteFault) {
            return try ProxyProtocolHeader.write(version, outboundAddresses, tlvs: tlvs, into: buffers.shared)
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
