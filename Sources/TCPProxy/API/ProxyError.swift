import ProcessSupport
public import Sockets

/// Error of binding, changing or running a proxy.
public enum ProxyError: Error, Hashable, Sendable {
    case address(AddressError)
    /// The host name has no address.
    case unknownHost(String, detail: String)
    /// Another socket listens there, possibly of another process of the same user that shares ports (SO_REUSEPORT).
    case addressInUse(ServiceAddress)
    case permissionDenied(ServiceAddress)
    /// The address does not belong to this machine.
    case addressNotAvailable(ServiceAddress)
    /// The file at the path is not a socket and is not replaced.
    case notASocket(path: String)
    case cannotListen(ServiceAddress, SystemError)
    /// The source address cannot be used for outgoing connections.
    case badSource(InternetAddress, SystemError)
    /// The descriptor limit is too low for the requested number of connections.
    case descriptorLimit(limit: Int, wanted: Int, connections: Int)
    /// A setting is out of range.
    case badSetting(name: String, value: String, allowed: String)
    /// A listener refers to an unknown pool.
    case unknownPool(String, listener: String)
    /// The SNI routes of a listener are invalid.
    case sniPatterns(SNIRoutingTableError, listener: String)
    /// All pools together have more servers than the limit.
    case tooManyServers(limit: Int)
    /// Removed pools with open connections count, too.
    case tooManyPools(limit: Int)
    case tooManyListeners(limit: Int)
    /// The proxy drains or has ended and accepts no changes.
    case stopping
    case system(SystemError)
    /// A proxy runs only once; bind a new one.
    case alreadyRun
}

extension ProxyError: CustomStringConvertible {
    /// One sentence that states the cause and how to fix it.
    public var description: String {
        switch self {
        case .address(let error):
            error.description
        case .unknownHost(let host, let detail):
            "unknown host '\(host)' (\(detail)): check the name, or write an IP address"
        case .addressInUse(let address):
            "\(address) is in use: stop the process that uses it, or choose another "
                + (address.isUnix ? "path" : "port")
        case .permissionDenied(let address):
            "cannot listen on \(address): permission denied: \(address.permissionAdvice)"
        case .addressNotAvailable(let address):
            "cannot listen on \(address): not an address of this machine"
        case .notASocket(let path):
            "cannot listen on unix:\(path): the file exists and is not a socket: remove it, or choose another path"
        case .cannotListen(.socket(.unix(let path)), .noSuchFile):
            "cannot listen on unix:\(path): its directory does not exist: create it, or choose another path"
        case .cannotListen(let address, let error):
            "cannot listen on \(address): \(error)"
        case .badSource(let address, .addressNotAvailable):
            "cannot connect from \(address.host): not an address of this machine"
        case .badSource(let address, let error):
            "cannot connect from \(address.host): \(error)"
        case .descriptorLimit(let limit, let wanted, 1):
            "one connection needs \(wanted) descriptors, and the limit is \(limit): raise it (ulimit -n)"
        case .descriptorLimit(let limit, let wanted, let connections):
            "\(connections) connections need \(wanted) descriptors, and the limit is \(limit): "
                + "raise it (ulimit -n), or lower the connection limit"
        case .badSetting(let name, let value, let allowed):
            "invalid \(name) '\(value)': must be \(allowed)"
        case .unknownPool(let pool, let listener):
            "listener \(listener) refers to unknown pool \(pool): define the pool or change the reference"
        case .sniPatterns(let error, let listener):
            "listener \(listener): \(error)"
        case .tooManyServers(let limit):
            "more than \(limit) servers in all pools: remove some"
        case .tooManyPools(let limit):
            "more than \(limit) pools, including removed ones with open connections: "
                + "remove some, or wait until those connections have ended"
        case .tooManyListeners(let limit):
            "more than \(limit) listeners, including removed or changed ones with open connections: "
                + "remove some, or wait until those connections have ended"
        case .stopping:
            "the proxy is shutting down: changes are rejected"
        case .system(let error):
            "cannot create an event loop: \(error)"
        case .alreadyRun:
            "the proxy has already run: bind a new one"
        }
    }
}

extension ServiceAddress {
    fileprivate var isUnix: Bool {
        if case .socket(.unix) = self { true } else { false }
    }

    fileprivate var permissionAdvice: String {
        switch self {
        case .socket(.unix): "check the directory's permissions"
        case .socket(.internet(let address)) where address.port < 1024 && address.port != 0: portAdvice
        case .name(_, let port) where port < 1024 && port != 0: portAdvice
        default: "choose another address"
        }
    }

    private var portAdvice: String {
        ProcessIdentity.hasGivenUpRoot
            ? "ports below 1024 require root, which was dropped; restart to listen there, or choose a higher port"
            : "ports below 1024 require root or CAP_NET_BIND_SERVICE; choose a higher port"
    }
}
