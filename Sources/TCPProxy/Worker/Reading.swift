import Relay
import Sockets
import Workers

// Parsing before server selection: the PROXY protocol header and the ClientHello. Not called for connections whose
// listener needs neither.

extension Worker where S: ~Copyable {
    /// Starts reading the preface.
    mutating func beginPreface(_ slot: Slot) {
        sessions.pointer(to: slot).pointee.stage = .preface
        sessions.pointer(to: slot).pointee.marks.insert(.hasPreface)
        prefaces.set(Preface(), at: slot)
        setTimer(slot)
    }

    /// Reads from the client after a readiness event and continues with server selection once the preface is complete.
    @inline(never)
    mutating func readPreface(_ slot: Slot) {
        let session = sessions.pointer(to: slot)
        let preface = prefaces.pointer(to: slot)
        // Terminates: each iteration receives bytes and reduces the room, or finds that nothing can be read.
        while session.pointee.duplex.client.canReceive {
            if preface.pointee.chunk == nil { preface.pointee.chunk = buffers.chunks.take() }
            let start = Preface.headroom + preface.pointee.count
            let room = UnsafeMutableRawBufferPointer(
                start: preface.pointee.chunk! + start,
                count: buffers.chunks.chunkSize - start
            )
            switch system.receive(from: session.pointee.duplex.client.descriptor!, into: room) {
            case .moved(let count):
                preface.pointee.count += count
                if count < room.count, !session.pointee.duplex.client.readsToTheEnd {
                    session.pointee.duplex.client.canReceive = false
                }
            case .wouldBlock:
                session.pointee.duplex.client.canReceive = false
            case .ended:
                return deny(slot, .prefaceEnded)
            case .failed(let error):
                session.pointee.duplex.client.failure = error
                return deny(slot, .prefaceEnded)
            }
            guard preface.pointee.count >= preface.pointee.wanted else { continue }
            switch judgePreface(slot) {
            case .incomplete(let wanted): preface.pointee.wanted = wanted
            case .complete: return endPreface(slot)
            case .denied(let cause): return deny(slot, cause)
            }
        }
    }

    private enum Judgement {
        /// More bytes are needed; parse again when this many have been received.
        case incomplete(wanted: Int)
        case complete
        case denied(DenialCause)
    }

    @inline(never)
    private mutating func judgePreface(_ slot: Slot) -> Judgement {
        let session = sessions.pointer(to: slot)
        let preface = prefaces.pointer(to: slot)
        if session.pointee.marks.contains(.readsProxyHeader) {
            switch ProxyHeader.read(preface.pointee.bytes) {
            case .needMore(let minimum):
                return .incomplete(wanted: minimum)
            case .header(let header):
                preface.pointee.headerLength = header.length
                preface.pointee.origin = header.origin
                preface.pointee.tlvs = header.tlvs
                if let client = header.client { session.pointee.client = client }
            case .notProxy:
                let proxies = settings(of: slot).pointee.settings.entrance.proxies
                guard let proxies, proxies.header == .optional else { return .denied(.proxyHeader) }
            case .malformed:
                return .denied(.proxyHeader)
            }
            session.pointee.marks.remove(.readsProxyHeader)
            let listener = Int(session.pointee.listener)
            if let cause = enterClient(session.pointee.client, at: listener, &session.pointee.marks) {
                return .denied(cause)
            }
        }
        guard session.pointee.marks.contains(.readsClientHello) else { return .complete }
        switch ClientHello.read(preface.pointee.rest, scratch: buffers.shared) {
        case .needMore(let minimum):
            return .incomplete(wanted: preface.pointee.headerLength + minimum)
        case .hello(let hello):
            let routes = settings(of: slot).pointee.settings.routes!
            session.pointee.pool = routes.pool(for: hello, in: UnsafeRawBufferPointer(buffers.shared))
            session.pointee.marks.remove(.readsClientHello)
            return .complete
        case .notTLS, .malformed, .tooLong:
            return .denied(.clientHello)
        }
    }

    /// Starts server selection after the preface is complete.
    private mutating func endPreface(_ slot: Slot) {
        let session = sessions.pointer(to: slot)
        session.pointee.stage = .dialing
        session.pointee.dial.beganAt = now
        session.pointee.dial.startedAt = now
        tellOpened(slot)
        findServer(slot)
    }

    /// Writes the opened event of a connection; with a preface, the client's address is not known earlier.
    mutating func tellOpened(_ slot: Slot) {
        guard shared.admission.hasListeners else { return }
        let session = sessions.pointer(to: slot)
        write(
            .connectionOpened(
                id: session.pointee.id,
                client: session.pointee.client,
                active: shared.admission.active,
                total: shared.admission.total
            )
        )
    }

    // MARK: The server's first bytes

    /// Starts the upstream direction with the bytes received before server selection, preceded by a PROXY protocol
    /// header if the pool requires one.
    @inline(never)
    mutating func beginUpstream(_ slot: Slot) {
        let session = sessions.pointer(to: slot)
        var preface = session.pointee.marks.contains(.hasPreface) ? prefaces.pointer(to: slot).pointee : Preface()
        session.pointee.marks.remove(.hasPreface)
        var start = Preface.headroom + preface.headerLength
        var count = preface.rest.count
        if let version = pools.pointer(to: pool(of: slot)).pointee.proxyProtocol {
            let length = writeHeader(version, slot, preface)
            let chunk = preface.chunk ?? buffers.chunks.take()
            preface.chunk = chunk
            start -= length
            count += length
            (chunk + start).copyMemory(from: buffers.shared.baseAddress!, byteCount: length)
        }
        guard let chunk = preface.chunk else { return }
        if count > 0 {
            session.pointee.duplex.upstream.begin(with: chunk, offset: start, count: count)
        } else {
            buffers.chunks.giveBack(chunk)
        }
    }

    /// Writes the PROXY protocol header for a server into the shared buffer.
    ///
    /// - Returns: the length of the header.
    @inline(never)
    private mutating func writeHeader(_ version: ProxyProtocolVersion, _ slot: Slot, _ preface: Preface) -> Int {
        let announcement = announcement(slot, preface)
        let tlvs = UnsafeRawBufferPointer(rebasing: preface.bytes[preface.tlvs])
        do throws(ProxyHeader.WriteFault) {
            return try ProxyHeader.write(version, announcement, tlvs: tlvs, into: buffers.shared)
        } catch {
            // The received fields were validated when parsed and are not longer than a header permits.
            preconditionFailure("cannot write a PROXY protocol header: \(error)")
        }
    }

    private mutating func announcement(_ slot: Slot, _ preface: Preface) -> ProxyHeader.Announcement {
        switch preface.origin {
        case .internet(let source, let destination):
            return .addresses(source: .internet(source), destination: .internet(destination))
        case .unix(let paths):
            return .unixPaths(UnsafeRawBufferPointer(rebasing: preface.bytes[paths]))
        case .local, .unknown, nil:
            break
        }
        let session = sessions.pointer(to: slot)
        guard case .internet(let source) = session.pointee.client,
            let destination = try? system.localAddress(of: session.pointee.duplex.client.descriptor!)
        else { return .unknown }
        return .addresses(source: .internet(source), destination: destination)
    }

    /// Releases a preface that has not been passed to a server.
    @inline(never)
    mutating func dropPreface(_ slot: Slot) {
        let preface = prefaces.pointer(to: slot)
        guard let chunk = preface.pointee.chunk else { return }
        // Bytes of denied connections do not count as discarded.
        if sessions.pointer(to: slot).pointee.stage != .preface {
            shared.counters.add(preface.pointee.rest.count, to: .discardedUpstream)
        }
        preface.pointee.chunk = nil
        buffers.chunks.giveBack(chunk)
    }
}
