import EventLoop
import Relay
import Sockets
import TLS

// Descriptions of TLS connections for queries, the access log and PROXY protocol headers. Not called for connections without
// TLS; texts are created only here, on request.

extension Worker where S: ~Copyable {
    /// Returns the description of one side of a connection; nil without TLS, or before the handshake is complete.
    @inline(never)
    mutating func tlsInfo(of side: Side, _ slot: Slot) -> TLSConnectionInfo? {
        let flags = sessions.pointer(to: slot).pointee.flags
        switch side {
        case .client:
            guard flags.contains(.transformsClient) else { return nil }
            return clientTransforms.pointer(to: slot).pointee.transform.connectionInfo
        case .server:
            guard flags.contains(.transformsServer) else { return nil }
            return serverTransforms.pointer(to: slot).pointee.transform.connectionInfo
        }
    }

    /// Creates the description of both sides for the access log; nil if neither has completed a handshake.
    @inline(never)
    mutating func makeTLSRecord(_ slot: Slot) -> Unmanaged<TLSRecord>? {
        let record = TLSRecord(client: tlsInfo(of: .client, slot), server: tlsInfo(of: .server, slot))
        return record.client == nil && record.server == nil ? nil : .passRetained(record)
    }

    /// Releases the reference of a record that nothing reads.
    @inline(never)
    mutating func releaseTLSRecord(_ record: Unmanaged<TLSRecord>) { record.release() }

    /// Returns the fields of a PROXY protocol header that describe the client's TLS connection; none without TLS.
    ///
    /// - Parameter received: the fields that the client's proxy has sent.
    @inline(never)
    mutating func tlsFields(_ slot: Slot, besides received: UnsafeRawBufferPointer) -> [UInt8] {
        guard let info = tlsInfo(of: .client, slot) else { return [] }
        return TypeLengthValues.fields(of: info, besides: received)
    }
}
