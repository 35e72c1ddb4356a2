import Sockets
import TCPProxy

// What the cases of the proxy's enumerations are called in labels and JSON keys. They are part of what dashboards are
// built on, so they are written out here and not taken from the source's own names.

extension ConnectFailure {
    var name: String {
        switch self {
        case .refused: "refused"
        case .timeout: "timeout"
        case .unreachable: "unreachable"
        case .exhausted: "exhausted"
        case .clientGone: "client_gone"
        case .other: "other"
        }
    }
}

extension AcceptPause {
    var name: String {
        switch self {
        case .connections: "connections"
        case .exhausted: "exhausted"
        }
    }
}

extension PeerAddress {
    /// The address without a port, since all connections of a client count as one.
    var clientName: String {
        switch self {
        case .internet(let address): address.host
        case .unix: description
        }
    }
}

extension Duration {
    /// In seconds, as near as a Double comes.
    var inSeconds: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }
}
