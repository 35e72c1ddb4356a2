import Glibc
import ProcessSupport
import Sockets
import TCPProxy

/// A listening socket. Connections wait in its backlog until they are accepted.
///
/// The owner of the descriptor must close it or pass it on.
struct Listener: ~Copyable {
    let descriptor: Descriptor
    /// The local address, with port 0 resolved.
    let address: SocketAddress
    /// The socket file of a Unix socket.
    let file: UnixSocketFile?

    /// The backlog. The same as SwiftNIO's, which sets it again when it takes over a listening socket.
    private static let backlog = 128

    /// A Unix socket is accessible to the user that started the process only: a client that can connect may change servers
    /// and connections.
    private static let options = ListenOptions(
        backlog: backlog,
        permissions: UnixSocketPermissions(mode: 0o600)
    )

    /// - Parameter address: the address as the operator wrote it, for error messages.
    static func open(at target: SocketAddress, writtenAs address: ServiceAddress) throws(AdminError) -> Listener {
        if case .unix(let path) = target {
            do throws(UnixSocketFileError) {
                try UnixSocketFile.prepare(path)
            } catch {
                throw .cannotListen(ListenError(error, at: address))
            }
        }
        do throws(SystemError) {
            return try Listener(at: target)
        } catch {
            throw .cannotListen(ListenError(error, at: address))
        }
    }

    private init(at target: SocketAddress) throws(SystemError) {
        // Only the socket calls are used: this system is never polled.
        var system = try LinuxSystem(batch: 1, wakerToken: Token(bits: 0))
        let descriptor = try system.listen(at: target, options: Self.options)
        do throws(SystemError) {
            address = try system.localAddress(of: descriptor)
        } catch {
            system.close(descriptor)
            throw error
        }
        self.descriptor = descriptor
        file = if case .unix(let path) = target { UnixSocketFile(at: path) } else { nil }
    }

    /// Takes over the descriptor of a socket that the service manager has opened; it has no file to remove.
    ///
    /// - Parameter target: the configured address.
    init(_ socket: InheritedSocket, configuredAt target: SocketAddress) throws(AdminError) {
        do throws(InheritedSocketError) {
            try socket.check(boundTo: target)
        } catch {
            throw .inheritedSocket(error)
        }
        descriptor = Descriptor(adopting: socket.descriptor)
        address = socket.address
        file = nil
    }

    static func close(_ descriptor: consuming Descriptor, file: UnixSocketFile?) {
        file?.remove()
        Glibc.close(descriptor.release())
    }

    /// Resolves an address to its first socket address: the other addresses of a name belong to the same machine.
    static func resolve(_ address: ServiceAddress) async throws(AdminError) -> SocketAddress {
        do throws(ProxyError) {
            return try await Resolver.addresses(of: address)[0]
        } catch {
            throw .unresolvable(error)
        }
    }
}

extension SocketAddress {
    /// Whether the address is reachable from this machine only. Access to a Unix socket is controlled by file
    /// permissions.
    var isLoopback: Bool {
        guard case .internet(let address) = self else { return true }
        return address.isIPv4 ? address.low >> 24 & 0xFF == 127 : address.high == 0 && address.low == 1
    }
}
