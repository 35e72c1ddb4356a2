/// The result of a receive, a send or a splice.
public enum IOResult {
    /// The number of bytes moved, at least 1.
    case moved(Int)
    /// No bytes can be moved now; the poller reports when they can.
    case wouldBlock
    /// The peer has sent its FIN: there are no more bytes.
    case ended
    case failed(SystemError)
}

/// The result of accepting from a listening socket.
public enum AcceptResult: ~Copyable {
    case connection(Descriptor, peer: PeerAddress)
    /// The accept queue is empty.
    case wouldBlock
    case failed(SystemError)
}
