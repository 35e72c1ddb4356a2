public import Sockets

/// The reason why the process cannot listen on an address.
public enum ListenError: Error, Hashable, Sendable {
    /// Another socket listens there, possibly of another process of the same user that shares ports (SO_REUSEPORT).
    case addressInUse(ServiceAddress)
    /// The process has no permission to listen there.
    case permissionDenied(ServiceAddress)
    /// The process may not give the file of a Unix socket to the user or the group.
    case ownershipDenied(ServiceAddress)
    /// The address does not belong to this machine.
    case addressNotAvailable(ServiceAddress)
    /// The file at the path is not a socket and is not replaced.
    case notASocket(path: String)
    /// Any other system error.
    case other(ServiceAddress, SystemError)

    /// Creates the error for a failed system call.
    ///
    /// - Parameter address: the address as the operator wrote it.
    public init(_ error: SystemError, at address: ServiceAddress) {
        self =
            switch error {
            case .addressInUse: .addressInUse(address)
            case .notPermitted where address.isUnix: .ownershipDenied(address)
            case .permissionDenied, .notPermitted: .permissionDenied(address)
            case .addressNotAvailable: .addressNotAvailable(address)
            default: .other(address, error)
            }
    }

    /// Creates the error for a socket file that cannot be replaced.
    ///
    /// - Parameter address: the address as the operator wrote it.
    public init(_ error: UnixSocketFileError, at address: ServiceAddress) {
        self =
            switch error {
            case .inUse: .addressInUse(address)
            case .notASocket(let path): .notASocket(path: path)
            case .cannotRemove: .permissionDenied(address)
            case .cannotProbe(_, let error): ListenError(error, at: address)
            }
    }
}

extension ListenError: CustomStringConvertible {
    /// One sentence that states the cause and how to fix it.
    public var description: String {
        switch self {
        case .addressInUse(let address):
            "\(address) is in use: stop the process that uses it, or choose another "
                + (address.isUnix ? "path" : "port")
        case .permissionDenied(let address):
            "cannot listen on \(address): permission denied: \(address.permissionAdvice)"
        case .ownershipDenied(let address):
            "cannot set the owner or the group of \(address): only root can choose any: start as root, or choose a group "
                + "of this process"
        case .addressNotAvailable(let address):
            "cannot listen on \(address): not an address of this machine: use one, such as 127.0.0.1"
        case .other(.socket(.unix(let path)), .noSuchFile):
            "cannot listen on unix:\(path): its directory does not exist: create it, or choose another path"
        case .notASocket(let path):
            "cannot listen on unix:\(path): the file exists and is not a socket: remove it, or choose another path"
        case .other(let address, let error): "cannot listen on \(address): \(error)"
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
        case .socket(.internet(let address)) where (1..<1024).contains(address.port): portAdvice
        case .name(_, let port) where (1..<1024).contains(port): portAdvice
        default: "choose another address"
        }
    }

    private var portAdvice: String {
        ProcessIdentity.hasDroppedRoot
            ? "ports below 1024 require root, which was dropped; restart to listen there, or choose a higher port"
            : "ports below 1024 require root or CAP_NET_BIND_SERVICE; choose a higher port"
    }
}

/// The reason why connections cannot be opened from a local address.
public struct SourceAddressError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The local address.
    public let address: InternetAddress
    /// The error of bind(2).
    public let cause: SystemError

    /// Creates the error.
    public init(_ address: InternetAddress, _ cause: SystemError) {
        self.address = address
        self.cause = cause
    }

    /// One sentence that states the cause.
    public var description: String {
        let reason = cause == .addressNotAvailable ? "not an address of this machine" : "\(cause)"
        return "cannot connect from \(address.host): \(reason)"
    }
}
