import Sockets

/// The data that is received and parsed before server selection, buffered until a server is connected.
struct PrereadBuffer {
    /// The buffer, with ``headroom`` before the received bytes; nil until the first read.
    var chunk: UnsafeMutableRawPointer?
    /// Number of bytes received.
    var count = 0
    /// The number of bytes required before parsing again.
    var wanted = 1
    /// The length of the PROXY protocol header; 0 if there is none. The bytes after it are for the server.
    var headerLength = 0
    /// The addresses in the PROXY protocol header.
    var origin: ProxyProtocolHeader.Origin?
    var tlvs = 0..<0
    /// The index of the TLS context selected by the ClientHello; nil if the connection is relayed as it is.
    var tlsContext: Int16?
    /// The requests of a PostgreSQL client so far.
    var postgres = PostgresNegotiation()

    /// Space in front of the received bytes for a PROXY protocol header to the server that is longer than the received
    /// one. A header written by this proxy without received TLVs always fits.
    static var headroom: Int { 512 }

    /// All received bytes.
    var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: chunk.map { $0 + Self.headroom }, count: chunk == nil ? 0 : count)
    }

    /// The received bytes that are for the server.
    var rest: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[headerLength...]) }
}
