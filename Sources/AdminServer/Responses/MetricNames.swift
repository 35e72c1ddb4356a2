import Sockets
import TCPProxy

// Names of enumeration cases in labels and JSON keys. Dashboards depend on them, so they are written out here instead
// of being derived from the identifiers in the source.

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
    /// The address without a port, because all connections of a client are counted together.
    var clientName: String {
        switch self {
        case .internet(let address): address.host
        case .unix: description
        }
    }
}

extension Duration {
    /// Seconds, rounded to the nearest Double.
    var inSeconds: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }
}
