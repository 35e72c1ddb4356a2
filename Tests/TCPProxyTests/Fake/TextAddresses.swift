import Sockets

extension SocketAddress {
    /// Parses a numeric address; traps on any other.
    init(_ text: String) {
        guard case .socket(let address) = try? ServiceAddress(parsing: text) else {
            preconditionFailure("'\(text)' is not an IP address")
        }
        self = address
    }
}

extension PeerAddress {
    /// Parses an address such as `127.0.0.1:50000`; traps on anything else.
    init(_ text: String) {
        guard case .internet(let address) = SocketAddress(text) else {
            preconditionFailure("'\(text)' is not an IP address with a port")
        }
        self = .internet(address)
    }
}
