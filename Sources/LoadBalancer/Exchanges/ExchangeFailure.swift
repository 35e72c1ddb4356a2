import Sockets

/// Why a question to another machine got no answer.
enum ExchangeFailure: Error, Hashable, Sendable {
    case timedOut(isConnected: Bool)
    case notConnected(SystemError)
    case broken(SystemError)
    /// The other side had no more to say; with what it had said.
    case ended([UInt8])
    /// The limit's worth of bytes, or of datagrams, came and was not enough.
    case tooLong
    case cancelled
}
