import Sockets

/// What has come ahead of a connection's own bytes, and is read before a server is chosen: kept until that is connected.
struct Preface {
    /// The bytes that have come, behind some free room; nil while none have.
    var chunk: UnsafeMutableRawPointer?
    /// Bytes that have come.
    var count = 0
    /// It is worth reading again when there are so many.
    var wanted = 1
    /// Of the header of the PROXY protocol; 0 if there is none. What stands behind it is for the server.
    var headerLength = 0
    /// What the header says.
    var origin: ProxyHeader.Origin?
    var tlvs = 0..<0

    /// Free room before the bytes, for a header to the server that is longer than the one which came: without its
    /// type-length-values, no header of ours is.
    static var headroom: Int { 512 }

    /// All bytes that have come.
    var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: chunk.map { $0 + Self.headroom }, count: chunk == nil ? 0 : count)
    }

    /// Those that are for the server.
    var rest: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[headerLength...]) }
}
