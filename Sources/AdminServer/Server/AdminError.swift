public import ProcessSupport
public import Sockets
public import TCPProxy

/// The reasons why the endpoint cannot start or has failed.
public enum AdminError: Error, Hashable, Sendable {
    /// ``AdminServer/run()`` was already called; bind another instance.
    case alreadyRun
    /// The host name has no address: `ProxyError.unknownHost(_:detail:)`.
    case unresolvable(ProxyError)
    /// Listening on the address failed.
    case cannotListen(ListenError)
    /// The socket of the service manager does not fit the address.
    case inheritedSocket(InheritedSocketError)
    /// Control is enabled on an address other than loopback without a token: any client that can reach the address
    /// could change the configuration.
    case tokenMissing(SocketAddress)
    /// The token is too short or too long, or contains characters other than visible ASCII.
    case badToken
    /// A setting is outside its range.
    case badSetting(name: String, value: String, allowed: String)
    /// The listening socket was closed without a request to stop.
    case listenerFailed(SocketAddress)
}

extension AdminError: CustomStringConvertible {
    /// One sentence that states the problem and the fix.
    public var description: String {
        switch self {
        case .alreadyRun: "the admin endpoint has already run: bind a new one"
        case .unresolvable(let error): "admin endpoint: \(error)"
        case .cannotListen(let error): "admin endpoint: \(error)"
        case .inheritedSocket(let error): "admin endpoint: \(error)"
        case .tokenMissing(let address):
            "any client of \(address) could drain servers and close connections: set a token, listen on 127.0.0.1, "
                + "or disable control"
        case .badToken:
            "invalid token: must be \(AdminToken.lengths.lowerBound) to \(AdminToken.lengths.upperBound) visible ASCII "
                + "characters on one line: create one with openssl rand -hex 32"
        case .badSetting(let name, let value, let allowed):
            "admin endpoint: invalid \(name) '\(value)': must be \(allowed)"
        case .listenerFailed(let address): "the admin endpoint on \(address) lost its listening socket: restart it"
        }
    }
}
