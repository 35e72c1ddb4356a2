public import Sockets

/// Why an echo server could not be set up.
public enum EchoServerError: Error, Hashable, Sendable {
    case address(AddressError)
    /// A host name that has no address.
    case unknownHost(String, detail: String)
    /// Somebody else listens there; perhaps another process of the same user that shares ports.
    case addressInUse(ServiceAddress)
    case permissionDenied(ServiceAddress)
    /// The address is no address of this machine.
    case addressNotAvailable(ServiceAddress)
    /// The socket's file cannot be replaced: it is no socket.
    case notASocket(path: String)
    case cannotListen(ServiceAddress, SystemError)
    /// A setting outside its range.
    case badSetting(name: String, value: String, allowed: String)
    /// ``EchoServer/run()`` was called a second time.
    case alreadyRun
    /// The system refused a poller: no descriptors or no memory.
    case system(SystemError)
}

extension EchoServerError: CustomStringConvertible {
    /// One sentence that names what was wrong and how to mend it.
    public var description: String {
        switch self {
        case .address(let error):
            error.description
        case .unknownHost(let host, let detail):
            "unknown host '\(host)' (\(detail)): check the name, or write an IP address"
        case .addressInUse(let address):
            "\(address) is in use: stop what listens there, or choose another \(address.isUnix ? "path" : "port")"
        case .permissionDenied(let address) where address.isUnix:
            "no permission to listen on \(address): check the directory's permissions"
        case .permissionDenied(let address):
            "no permission to listen on \(address): ports below 1024 are for root or CAP_NET_BIND_SERVICE; "
                + "choose a higher one"
        case .addressNotAvailable(let address):
            "cannot listen on \(address): this machine does not have that address; choose one that it has"
        case .notASocket(let path):
            "cannot listen on unix:\(path): a file that is no socket is in the way; remove it, or choose another path"
        case .cannotListen(let address, let error):
            "cannot listen on \(address): \(error)"
        case .badSetting(let name, let value, let allowed):
            "\(name) is \(value), and must be \(allowed)"
        case .alreadyRun:
            "an echo server runs once: bind another"
        case .system(let error):
            "the system refused what the echo server needs: \(error)"
        }
    }
}

extension EchoServerError {
    /// Says what listening at an address has run into.
    init(_ error: SystemError, at address: ServiceAddress) {
        self =
            switch error {
            case .addressInUse: .addressInUse(address)
            case .permissionDenied: .permissionDenied(address)
            case .addressNotAvailable: .addressNotAvailable(address)
            default: .cannotListen(address, error)
            }
    }

    init(_ error: UnixSocketFileError, at address: ServiceAddress) {
        self =
            switch error {
            case .inUse: .addressInUse(address)
            case .notASocket(let path): .notASocket(path: path)
            case .cannotRemove: .permissionDenied(address)
            case .cannotProbe(_, let error): EchoServerError(error, at: address)
            }
    }
}

extension SystemError {
    fileprivate static let addressNotAvailable = SystemError(code: 99)
}

extension ServiceAddress {
    fileprivate var isUnix: Bool {
        if case .socket(.unix) = self { true } else { false }
    }
}
