import CLinux
import Glibc

/// A listening socket that another process opened and keeps open, such as a service manager with socket activation.
///
/// It survives this process: connections that this process does not accept stay in the accept queue for the next one.
/// The owner of the descriptor must close it.
public struct InheritedSocket: Sendable, Hashable {
    /// The name that the service manager gave to the socket.
    public let name: String
    public let descriptor: Int32
    /// The address to which the socket is bound.
    public let address: SocketAddress

    /// Validates an inherited descriptor, and makes it non-blocking and close-on-exec.
    ///
    /// - Throws: ``InheritedSocketError`` unless it is a listening stream socket of IPv4, IPv6 or Unix.
    public init(name: String, descriptor: Int32) throws(InheritedSocketError) {
        guard fcntl(descriptor, F_GETFD) >= 0 else { throw .closed(name: name, descriptor: descriptor) }
        var type: Int32 = 0
        guard linux_get_option(descriptor, SOL_SOCKET, SO_TYPE, &type) >= 0 else { throw .notASocket(name: name) }
        guard type == Int32(SOCK_STREAM.rawValue) else { throw .notAStream(name: name) }
        var raw = RawAddress()
        guard linux_local_address(descriptor, &raw.address) >= 0, [AF_INET, AF_INET6, AF_UNIX].contains(raw.family)
        else { throw .unsupportedFamily(name: name) }
        var isListening: Int32 = 0
        guard linux_get_option(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &isListening) >= 0, isListening != 0 else {
            throw .notListening(name: name)
        }
        self.name = name
        self.descriptor = descriptor
        address = raw.socketAddress
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        let flags = fcntl(descriptor, F_GETFL)
        // A worker that lost the race for a connection to another one would otherwise wait in accept(2).
        _ = fcntl(descriptor, F_SETFL, flags | O_NONBLOCK)
    }

    /// Checks that the socket is bound to the address that is configured for it. Port 0 stands for any port.
    ///
    /// - Throws: ``InheritedSocketError/otherAddress(name:configured:actual:)``.
    public func check(boundTo configured: SocketAddress) throws(InheritedSocketError) {
        if configured == address || configured.isReplaced(by: address) { return }
        if case .internet(var wanted) = configured, wanted.port == 0, case .internet(let actual) = address {
            wanted.port = actual.port
            if wanted == actual { return }
        }
        throw .otherAddress(name: name, configured: configured, actual: address)
    }

    public func close() {
        linux_close(descriptor)
    }
}

/// The reason why an inherited descriptor cannot be used.
public enum InheritedSocketError: Error, Hashable, Sendable {
    case closed(name: String, descriptor: Int32)
    case notASocket(name: String)
    case notAStream(name: String)
    case unsupportedFamily(name: String)
    case notListening(name: String)
    case otherAddress(name: String, configured: SocketAddress, actual: SocketAddress)
}

extension InheritedSocketError: CustomStringConvertible {
    /// What failed, why, and how to fix it.
    public var description: String {
        switch self {
        case .closed(let name, let descriptor):
            "inherited socket '\(name)': descriptor \(descriptor) is not open: start the process by the socket unit"
        case .notASocket(let name):
            "inherited socket '\(name)': not a socket: use ListenStream= in the socket unit"
        case .notAStream(let name):
            "inherited socket '\(name)': not a stream socket: use ListenStream= in the socket unit"
        case .unsupportedFamily(let name):
            "inherited socket '\(name)': not a TCP or Unix socket: use ListenStream= with a port, an IP address or a path"
        case .notListening(let name):
            "inherited socket '\(name)': not listening: use Accept=no in the socket unit"
        case .otherAddress(let name, let configured, let actual):
            "inherited socket '\(name)': bound to \(actual), but configured is \(configured): "
                + "write the same address in both"
        }
    }
}
