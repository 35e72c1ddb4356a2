public import Sockets

/// The reason why an echo server could not be set up.
public enum EchoServerError: Error, Hashable, Sendable {
    case address(AddressError)
    /// The host name has no address.
    case unknownHost(String, detail: String)
    /// Another socket listens at the address; possibly a process of the same user that uses SO_REUSEPORT.
    case addressInUse(ServiceAddress)
    case permissionDenied(ServiceAddress)
    /// The address does not belong to this machine.
    case addressNotAvailable(ServiceAddress)
    /// The socket file cannot be replaced: it is not a socket.
    case notASocket(path: String)
    case cannotListen(ServiceAddress, SystemError)
    /// A setting is outside its range.
    case badSetting(name: String, value: String, allowed: String)
    /// ``EchoServer/run()`` was called a second time.
    case alreadyRun
    /// A poller could not be created: out of descriptors or memory.
    case system(SystemError)
}

extension EchoServerError: CustomStringConvertible {
    /// One sentence with the cause and how to fix it.
    public var description: String {
        switch self {
        case .address(let error):
            error.description
        case .unknownHost(let host, let detail):
            "unknown host '\(host)' (\(detail)): check the name, or write an IP address"
        case .addressInUse(let address):
            "\(address) is in use: stop the process that listens there, or choose another "
                + (address.isUnix ? "path" : "port")
        case .permissionDenied(let address) where address.isUnix:
            "no permission to listen on \(address): check the directory's permissions"
        case .permissionDenied(let address):
            "no permission to listen on \(address): ports below 1024 require root or CAP_NET_BIND_SERVICE; "
                + "choose a higher one"
        case .addressNotAvailable(let address):
            "cannot listen on \(address): this machine does not have that address; choose one that it has"
        case .notASocket(let path):
            "cannot listen on unix:\(path): the file is not a socket; remove it, or choose another path"
        case .cannotListen(let address, let error):
            "cannot listen on \(address): \(error)"
        case .badSetting(let name, let value, let allowed):
            "\(name) is \(value): must be \(allowed)"
        case .alreadyRun:
            "this echo server has already run: bind another one"
        case .system(let error):
            "cannot start the echo server: \(error)"
        }
    }
}

extension EchoServerError {
    /// Maps an error of listening at an address.
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
