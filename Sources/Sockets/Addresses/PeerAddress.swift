/// The address of the peer of an accepted connection, as plain data. Clients of a Unix socket are unnamed.
public enum PeerAddress: Hashable, Sendable {
    /// An internet address.
    case internet(InternetAddress)
    /// A client of a Unix socket.
    case unix
}

extension PeerAddress: CustomStringConvertible {
    /// `127.0.0.1:54321`, `[::1]:54321` or `unix:`.
    public var description: String {
        switch self {
        case .internet(let address): address.description
        case .unix: "unix:"
        }
    }
}
