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
    case alreadyRun
    /// The listening socket was closed without a request to stop.
    case listenerFailed(SocketAddress)
}

extension AdminError: CustomStringConvertible {
    /// One sentence that states the problem and the fix.
    public var description: String {
        switch self {
        case .unresolvable(let error):
            "cannot bind the admin endpoint: \(error)"
        case .addressInUse(let address):
            "cannot bind the admin endpoint: \(address) is in use: stop the process that uses it, or choose another "
                + (address.isUnix ? "path" : "port")
        case .permissionDenied(let address):
            "cannot bind the admin endpoint to \(address): permission denied: \(address.permissionAdvice)"
        case .addressNotAvailable(let address):
            "cannot bind the admin endpoint to \(address): not an address of this machine: use one, such as 127.0.0.1"
        case .notASocket(let path):
            "cannot bind the admin endpoint to unix:\(path): the file exists and is not a socket: "
                + "remove it, or choose another path"
        case .cannotListen(let address, let error):
            "cannot bind the admin endpoint to \(address): \(error): choose another address"
        case .tokenMissing(let address):
            "any client of \(address) could drain servers and close connections: set a token, listen on 127.0.0.1, "
                + "or disable control"
        case .badToken:
            "invalid token: must be \(AdminToken.lengths.lowerBound) to \(AdminToken.lengths.upperBound) visible ASCII "
                + "characters on one line: create one with openssl rand -hex 32"
        case .badSetting(let name, let value, let allowed):
            "admin endpoint: invalid \(name) '\(value)': must be \(allowed)"
        case .alreadyRun:
            "the admin endpoint has already run: bind a new one"
        case .listenerFailed(let address):
            "the admin endpoint on \(address) lost its listening socket: restart it"
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
        "ports below 1024 require root or CAP_NET_BIND_SERVICE; choose a higher port"
}
