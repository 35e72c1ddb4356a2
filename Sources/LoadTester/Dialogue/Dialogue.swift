/// What is said on a connection: the bytes that go out, and what has to come back.
///
/// One value serves all connections of a thread; what differs between them is in their `Exchange`. Known at compile time,
/// so that nothing stands between the loop and the comparison of the bytes.
protocol Dialogue: ~Copyable {
    /// Where one connection is in its exchange: plain data.
    associatedtype Exchange: BitwiseCopyable & Sendable

    /// Whether an exchange has no end but that of the run.
    static var isStream: Bool { get }

    /// Whether there is nothing to say: the connection is all.
    var isEmpty: Bool { get }

    /// For a connection that has exchanged nothing yet.
    var initial: Exchange { get }

    /// Starts an exchange.
    mutating func begin(_ exchange: inout Exchange)

    /// What is to be sent now; empty while it is the peer's turn. Good until the next call.
    mutating func outgoing(_ exchange: inout Exchange) -> UnsafeRawBufferPointer

    /// So many of the outgoing bytes have been sent.
    mutating func sent(_ count: Int, _ exchange: inout Exchange)

    /// Takes what the peer sent.
    mutating func received(_ bytes: UnsafeRawBufferPointer, _ exchange: inout Exchange) -> Reaction

    /// Whether a peer that ends its stream now has sent all that it had to.
    func mayEnd(_ exchange: Exchange) -> Bool

    /// Nothing new is to be sent from now on, so that the exchange can come to an end. For streams.
    ///
    /// - Returns: whether the peer is told so by a FIN, and its own end awaited.
    mutating func finish(_ exchange: inout Exchange) -> Bool
}

/// What a dialogue makes of what it received.
enum Reaction: Sendable {
    /// More has to come.
    case listens
    /// It has something to send.
    case speaks
    /// The exchange is over.
    case completes
    /// That was not what had to come.
    case objects
}
