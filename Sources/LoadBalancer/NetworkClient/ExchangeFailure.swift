import Sockets

/// Why a request to a remote host received no usable response.
enum ExchangeFailure: Error, Hashable, Sendable {
    /// `received` is the part of the response that arrived in time.
    case timedOut(isConnected: Bool, received: [UInt8] = [])
    case notConnected(SystemError)
    case broken(SystemError)
    /// The peer ended the stream before a conclusive response; the value is the part received.
    case ended([UInt8])
    /// The limit of bytes or datagrams was reached without a conclusive response; the value is the part received.
    case tooLong([UInt8])
    /// The TLS handshake was not complete in time.
    case handshakeTimedOut
    /// The peer ended the stream during the TLS handshake.
    case handshakeEnded
    /// The TLS handshake or connection failed; the value is the cause in words.
    case tls(String)
    case cancelled
}
