import EventLoop
import Relay
import Sockets
import TLS

// The requests of the PostgreSQL protocol that precede TLS. Not called for listeners and pools with another protocol.

extension Worker where S: ~Copyable {
    // MARK: Clients

    /// Parses the bytes that a PostgreSQL client sends ahead of a ClientHello or in place of it.
    ///
    /// - Returns: nil if a ClientHello is to be parsed next.
    @inline(never)
    mutating func parsePostgres(_ slot: Slot) -> PrereadResult? {
        let session = sessions.pointer(to: slot)
        let preread = prereadBuffers.pointer(to: slot)
        let settings = settings(of: slot)
        let received = preread.pointee.rest
        let result = PostgresRequest.read(received)
        if preread.pointee.postgres.isTLSAccepted { return result == .tlsRecord ? nil : .denied(.postgresRequest) }
        let servesTLS = settings.pointee.settings.servesTLS
        // Without TLS on either side, the server answers the client's requests itself.
        let answersRequests = servesTLS || pools.pointer(to: pool(of: slot)).pointee.hasTLS
        let plainPool = settings.pointee.settings.routes?.plainPool
        switch result {
        case .needMore(let minimum): return .incomplete(wanted: preread.pointee.headerLength + minimum)
        case .malformed: return .denied(.postgresRequest)
        case .tlsRecord where servesTLS: return nil
        case .request(.tls) where answersRequests: return answer(slot, .tls, isTLSAccepted: servesTLS)
        case .request(.gssapi) where answersRequests: return answer(slot, .gssapi, isTLSAccepted: false)
        case .request(.startup(let length)) where servesTLS && plainPool == nil:
            // The message is received to its end before the refusal: bytes left unread would reset the connection.
            let isComplete = received.count >= length
            return isComplete ? .refused(.plainPostgres) : .incomplete(wanted: preread.pointee.headerLength + length)
        case .tlsRecord, .request:
            if let plainPool { session.pointee.pool = plainPool }
            session.pointee.flags.remove(.readsClientHello)
            return .complete
        }
    }

    /// Prepares the answer to a request. Bytes behind the request, sent without waiting for the answer, would count as part
    /// of the encrypted bytes that follow (CVE-2021-23214), so they are refused.
    private mutating func answer(
        _ slot: Slot,
        _ request: PostgresNegotiation.Requests,
        isTLSAccepted: Bool
    ) -> PrereadResult {
        let preread = prereadBuffers.pointer(to: slot)
        guard preread.pointee.rest.count == PostgresRequest.length,
            preread.pointee.postgres.requests.insert(request).inserted
        else { return .denied(.postgresRequest) }
        preread.pointee.count = preread.pointee.headerLength
        preread.pointee.postgres.isTLSAccepted = isTLSAccepted
        preread.pointee.postgres.answer = isTLSAccepted ? PostgresRequest.accepted : PostgresRequest.refused
        return .answer
    }

    /// Sends the answer to a request.
    ///
    /// - Returns: false if the socket does not accept it yet, or if the connection has ended.
    @inline(never)
    mutating func sendPostgresAnswer(_ slot: Slot) -> Bool {
        let session = sessions.pointer(to: slot)
        let preread = prereadBuffers.pointer(to: slot)
        guard let answer = preread.pointee.postgres.answer else { return true }
        buffers.shared[0] = answer
        let bytes = UnsafeRawBufferPointer(rebasing: buffers.shared[..<1])
        switch system.send(bytes, to: session.pointee.duplex.client.descriptor!) {
        case .moved:
            preread.pointee.postgres.answer = nil
            return true
        case .wouldBlock, .ended:
            return false
        case .failed(let error):
            session.pointee.duplex.client.failure = error
            deny(slot, .prereadEnded)
            return false
        }
    }

    // MARK: Servers

    /// Sends an SSLRequest to a server, behind the PROXY protocol header if there is one, and receives the answer.
    ///
    /// - Returns: whether the server has accepted; if not, the exchange continues later, or the attempt has failed.
    @inline(never)
    mutating func requestServerTLS(_ slot: Slot) -> Bool {
        let session = sessions.pointer(to: slot)
        if let failure = session.pointee.duplex.server.failure {
            attemptFailed(slot, failure)
            return false
        }
        guard sendServerRequest(slot), session.pointee.duplex.server.canReceive else { return false }
        // Room for one byte more than the answer, which would have been sent ahead of the handshake: it would count as
        // encrypted (CVE-2021-23222).
        let room = UnsafeMutableRawBufferPointer(rebasing: buffers.shared[..<2])
        let failure: Int64
        switch system.receive(from: session.pointee.duplex.server.descriptor!, into: room) {
        case .moved(1) where room[0] == PostgresRequest.accepted:
            session.pointee.flags.remove(.awaitsServerAnswer)
            if !session.pointee.duplex.server.readsToTheEnd { session.pointee.duplex.server.canReceive = false }
            return true
        case .moved(let count):
            let isRefused = count == 1 && room[0] == PostgresRequest.refused
            failure = isRefused ? TLSFailure.requestRefused : TLSFailure.requestFailed
        case .wouldBlock:
            session.pointee.duplex.server.canReceive = false
            return false
        case .ended:
            failure = TLSFailure.requestFailed
        case .failed(let error):
            attemptFailed(slot, error)
            return false
        }
        session.pointee.dial.server!.noteTLSFailure(failure)
        attemptFailed(slot, .protocolError)
        return false
    }

    /// Sends what the server's socket has not accepted yet of the PROXY protocol header and the SSLRequest.
    ///
    /// - Returns: false if some of it is left, or if the attempt has failed.
    private mutating func sendServerRequest(_ slot: Slot) -> Bool {
        let session = sessions.pointer(to: slot)
        guard session.pointee.dial.requestSent != Dial.requestIsSent else { return true }
        guard session.pointee.duplex.server.canSend else { return false }
        let length = writeServerRequest(slot)
        let sent = Int(session.pointee.dial.requestSent)
        guard sent < length else {
            // A reload has changed the header between two parts of it.
            attemptFailed(slot, .protocolError)
            return false
        }
        let bytes = UnsafeRawBufferPointer(rebasing: buffers.shared[sent..<length])
        switch system.send(bytes, to: session.pointee.duplex.server.descriptor!) {
        case .moved(bytes.count):
            session.pointee.dial.requestSent = Dial.requestIsSent
            return true
        case .moved(let count):
            session.pointee.dial.requestSent += UInt16(count)
            session.pointee.duplex.server.canSend = false
        case .wouldBlock, .ended:
            session.pointee.duplex.server.canSend = false
        case .failed(let error):
            attemptFailed(slot, error)
        }
        return false
    }

    /// Writes the PROXY protocol header for the server, if the pool requires one, and an SSLRequest into the shared buffer.
    ///
    /// - Returns: the length of both.
    private mutating func writeServerRequest(_ slot: Slot) -> Int {
        var length = 0
        if let version = pools.pointer(to: pool(of: slot)).pointee.proxyProtocol { length = writeHeader(version, slot) }
        buffers.shared.storeBytes(of: PostgresRequest.tlsRequest.bigEndian, toByteOffset: length, as: UInt64.self)
        return length + PostgresRequest.length
    }
}
