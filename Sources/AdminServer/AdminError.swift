public import Sockets
public import TCPProxy

/// The reasons why the endpoint cannot start or has failed.
public enum AdminError: Error, Hashable, Sendable {
    /// The host name has no address: ``ProxyError/unknownHost(_:detail:)``.
    case unresolvable(ProxyError)
    /// Another socket listens on the address.
    case addressInUse(ServiceAddress)
    case permissionDenied(ServiceAddress)
    /// The address is not a local address of this machine.
    case addressNotAvailable(ServiceAddress)
    /// A file that is not a socket exists at the path, so it is not replaced.
    case notASocket(path: String)
    case cannotListen(ServiceAddress, SystemError)
    /// Control is enabled on an address other than loopback without a token: any client that can reach the address
    /// could change the configuration.
    case tokenMissing(SocketAddress)
    case badToken
    case badSetting(name: String, value: String, allowed: String)
    /// ``AdminServer/run()`` was already called; bind another instance.
    case alreadyRan
    /// The listening socket was closed without a request to stop.
    case listenerFailed(SocketAddress)
}

extension AdminError: CustomStringConvertible {
    /// One sentence that states the problem and the fix.
    public var description: String {
        switch self {
        case .unresolvable(let error):
            "cannot serve the metrics: \(error)"
        case .addressInUse(let address):
            "\(address), for the metrics, is in use: stop what listens there, or choose another "
                + (address.isUnix ? "path" : "port")
        case .permissionDenied(let address):
            "no permission to serve the metrics on \(address): \(address.permissionAdvice)"
        case .addressNotAvailable(let address):
            "cannot serve the metrics on \(address): this machine does not have that address; 127.0.0.1 it always has"
        case .notASocket(let path):
            "cannot serve the metrics on unix:\(path): a file that is no socket is in the way; "
                + "remove it, or choose another path"
        case .cannotListen(let address, let error):
            "cannot serve the metrics on \(address): \(error); choose another address"
        case .tokenMissing(let address):
            "whoever reaches \(address) could drain servers and cut connections: set a token, listen on 127.0.0.1, or leave "
                + "the control out"
        case .badToken:
            "a token has \(AdminToken.lengths.lowerBound) to \(AdminToken.lengths.upperBound) visible ASCII characters on "
                + "one line; openssl rand -hex 32 makes a good one"
        case .badSetting(let name, let value, let allowed):
            "\(name) of the metrics endpoint is \(value), and must be \(allowed)"
        case .alreadyRan:
            "the metrics endpoint has run already: bind another one"
        case .listenerFailed(let address):
            "the metrics endpoint on \(address) lost its listening socket: start it anew"
        }
    }
}

extension ServiceAddress {
    fileprivate var isUnix: Bool {
        if case .socket(.unix) = self { true } else { false }
    }

    fileprivate var permissionAdvice: String {
        switch self {
        case .socket(.unix): "check the permissions of the directory"
        case .socket(.internet(let address)) where (1..<1024).contains(address.port): Self.lowPortAdvice
        case .name(_, let port) where (1..<1024).contains(port): Self.lowPortAdvice
        default: "choose another address"
        }
    }

    private static let lowPortAdvice =
        "ports below 1024 are for root or CAP_NET_BIND_SERVICE; choose a higher one"
}
