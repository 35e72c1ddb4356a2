/// The protocol spoken on a connection: which bytes to send, and which response to expect.
///
/// One value serves all connections of a thread; per-connection state is in its `Exchange`. The type is known at
/// compile time, so there is no dynamic dispatch between the event loop and the comparison of bytes.
protocol Workload: ~Copyable {
    /// The state of one connection's exchange: plain data.
    associatedtype Exchange: BitwiseCopyable & Sendable

    /// Whether an exchange lasts until the end of the run.
    static var isStream: Bool { get }

    /// Whether there is nothing to send or receive: only the connection is tested.
    var isEmpty: Bool { get }

    /// The state of a connection before its first exchange.
    var initial: Exchange { get }

    /// Starts an exchange.
    mutating func begin(_ exchange: inout Exchange)

    /// Returns the bytes to send now; empty while the peer's data is awaited. Valid until the next call.
    mutating func outgoing(_ exchange: inout Exchange) -> UnsafeRawBufferPointer

    /// Records that `count` of the outgoing bytes have been sent.
    mutating func sent(_ count: Int, _ exchange: inout Exchange)

    /// Processes bytes received from the peer.
    mutating func received(_ bytes: UnsafeRawBufferPointer, _ exchange: inout Exchange) -> Reaction

    /// Whether all required bytes have been received if the peer closes its stream now.
    func mayEnd(_ exchange: Exchange) -> Bool

    /// Stops sending new data, so that the exchange can complete. For streams.
    ///
    /// - Returns: whether the peer must be sent a FIN, and its own FIN awaited.
    mutating func finish(_ exchange: inout Exchange) -> Bool
}

/// The result of processing received bytes.
enum Reaction: Sendable {
    /// More bytes are expected.
    case receives
    /// There are bytes to send.
    case sends
    /// The exchange is complete.
    case completes
    /// The bytes differ from the expected response.
    case mismatches
}
