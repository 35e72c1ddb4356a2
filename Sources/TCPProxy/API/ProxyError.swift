import EventLoop
public import ProcessSupport
public import Sockets
public import TLS

/// Error of binding, changing or running a proxy.
public enum ProxyError: Error, Hashable, Sendable {
    /// A text is not a valid address.
    case address(AddressParseError)
    /// The host name has no address.
    case unknownHost(String, detail: String)
    /// Listening on an address failed.
    case cannotListen(ListenError)
    /// A source address cannot be used for outgoing connections.
    case badSource(SourceAddressError)
    /// The descriptor limit is too low for the requested number of connections.
    case descriptorLimit(limit: Int, wanted: Int, connections: Int)
    /// The descriptor limit is too low for the listening sockets: each listener has one on each thread.
    case listenerDescriptors(limit: Int, wanted: Int, listeners: Int, threads: Int)
    /// A setting is out of range.
    case badSetting(name: String, value: String, allowed: String)
    /// A listener refers to an unknown pool.
    case unknownPool(String, listener: String)
    /// The SNI routes of a listener are invalid.
    case sniPatterns(SNIRoutingTableError, listener: String)
    /// TLS of a listener or a pool cannot be set up; the text names it.
    case tls(TLSError, of: String)
    /// A listener forwards connections to itself, directly or through other listeners of the process.
    case loop(String, listener: String)
    /// The owner or the group of the file of a Unix socket is unknown.
    case socketFile(ProcessIdentityError, listener: String)
    /// A socket of the service manager does not fit its listener.
    case inheritedSocket(InheritedSocketError)
    /// All pools together have more servers than the limit.
    case tooManyServers(limit: Int)
    /// Removed pools with open connections count, too.
    case tooManyPools(limit: Int)
    /// There are more listeners than a proxy supports.
    case tooManyListeners(limit: Int)
    /// The proxy drains or has ended and accepts no changes.
    case stopping
    /// A system call failed during the start of a worker.
    case system(SystemError)
    /// The system refuses the threads of the workers.
    case threadLimit(ThreadLimitError)
    /// A proxy runs only once; bind a new one.
    case alreadyRun
}

extension ProxyError: CustomStringConvertible {
    /// One sentence that states the cause and how to fix it.
    public var description: String {
        switch self {
        case .address(let error): error.description
        case .unknownHost(let host, let detail): HostLookup.Failure(host: host, detail: detail).description
        case .cannotListen(let error): error.description
        case .badSource(let error): error.description
        case .descriptorLimit(let limit, let wanted, 1):
            "one connection needs \(wanted) descriptors, and the limit is \(limit): raise it (ulimit -n)"
        case .descriptorLimit(let limit, let wanted, let connections):
            "\(connections) connections need \(wanted) descriptors, and the limit is \(limit): "
                + "raise it (ulimit -n), or lower the connection limit"
        case .listenerDescriptors(let limit, let wanted, let listeners, let threads):
            "\(listeners) listeners on \(threads) threads need \(wanted) descriptors, one for each listener and thread, "
                + "and the limit is \(limit): raise it (ulimit -n), or lower threads"
        case .badSetting(let name, let value, let allowed): "invalid \(name) '\(value)': must be \(allowed)"
        case .unknownPool(let pool, let listener):
            "listener \(listener) refers to unknown pool \(pool): define the pool or change the reference"
        case .sniPatterns(let error, let listener): "listener \(listener): \(error)"
        case .tls(let error, let owner): "\(owner): \(error)"
        case .loop(let cause, let listener):
            "listener \(listener) forwards to itself: \(cause): change one of the addresses"
        case .socketFile(let error, let listener): "listener \(listener): \(error)"
        case .inheritedSocket(let error): error.description
        case .tooManyServers(let limit):
            "more than \(limit) servers in all pools, including removed ones with open connections: "
                + "remove some, or wait until those connections have ended"
        case .tooManyPools(let limit):
            "more than \(limit) pools, including removed ones with open connections: "
                + "remove some, or wait until those connections have ended"
        case .tooManyListeners(let limit):
            "more than \(limit) listeners, including removed or changed ones with open connections: "
                + "remove some, or wait until those connections have ended"
        case .stopping: "the proxy is shutting down: changes are rejected"
        case .system(let error): "cannot create an event loop: \(error)"
        case .threadLimit(let error): error.description
        case .alreadyRun: "the proxy has already run: bind a new one"
        }
    }
}
