/// A transformation of an endpoint's bytes between its socket and the relay: TLS or, in the simulation, a fake.
///
/// It never accesses a socket: it consumes input from and stores output in the caller's buffers. A value is a reference to
/// state outside of it, which is released with ``release()``. One thread uses it at a time.
public protocol EndpointTransform: BitwiseCopyable {
    /// Starts the server's side of a connection; returns nil if the system is out of memory.
    static func accept(_ context: TLSContext) -> Self?
    /// Starts the client's side of a connection with a server; returns nil if the system is out of memory.
    static func connect(_ context: TLSContext, to server: borrowing TLSServer) -> Self?

    /// Continues the handshake.
    func handshake(_ buffers: inout TransformBuffers) -> TransformResult

    /// Decodes input, at most one record.
    ///
    /// - Parameters:
    ///   - room: where the plaintext is stored; at least one byte.
    ///   - count: set to the number of bytes stored.
    func decode(
        _ buffers: inout TransformBuffers,
        into room: UnsafeMutableRawBufferPointer,
        count: inout Int
    ) -> TransformResult

    /// Encodes the beginning of a plaintext, at most one record. The output must have room for
    /// ``TransformBuffers/maxRecord`` bytes.
    ///
    /// - Parameters:
    ///   - plaintext: at least one byte.
    ///   - count: set to the number of bytes encoded.
    func encode(
        _ plaintext: UnsafeRawBufferPointer,
        _ buffers: inout TransformBuffers,
        count: inout Int
    ) -> TransformResult

    /// Stores the message that ends this side's plaintext (close_notify).
    func end(_ buffers: inout TransformBuffers) -> TransformResult

    /// Records that the socket has ended: no input follows.
    func inputEnded()

    /// Whether bytes have been consumed that are not decoded completely, or not returned.
    var hasPartialInput: Bool { get }

    /// The cause of the failure, for ``TLSFailure``; 0 if there is none.
    var failure: Int64 { get }

    /// Whether the handshake resumed an earlier session.
    var isResumed: Bool { get }

    /// The description of the connection; nil before the handshake is complete. It is created by the call.
    var connectionInfo: TLSConnectionInfo? { get }

    /// Frees the state.
    func release()
}

/// The result of a step of a transform.
public enum TransformResult: Sendable {
    case done
    /// All input has been consumed, and more is needed.
    case needsInput
    /// The output has no room for what must be stored next.
    case needsOutput
    /// The peer has ended its plaintext (close_notify).
    case closed
    /// The socket has ended before the plaintext.
    case truncated
    /// The connection cannot continue. The output may hold an alert for the peer.
    case failed
}

/// The buffers of one step of a transform.
public struct TransformBuffers {
    /// The bytes received that have not been consumed.
    public var input: UnsafeRawBufferPointer
    /// Where bytes for the peer are stored.
    public let output: UnsafeMutableRawBufferPointer
    /// The number of bytes stored.
    public var outputCount = 0

    /// The maximum size in bytes of an encoded record (RFC 8446, 5.2), with the bytes of one control record.
    @inlinable public static var maxRecord: Int { 16_640 }

    @inlinable
    public init(input: UnsafeRawBufferPointer, output: UnsafeMutableRawBufferPointer) {
        self.input = input
        self.output = output
    }

    /// Whether another record fits.
    @inlinable public var hasRoom: Bool { output.count - outputCount >= Self.maxRecord }
}
