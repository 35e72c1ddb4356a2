import Sockets
import TCPProxy

// Forms of values in labels and samples.

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
