import Glibc
import Sockets
import TCPProxy

/// A socket that listens. Connections wait in its queue until somebody accepts them.
///
/// Whoever takes the descriptor has to close it, or hand it on.
struct Listener: ~Copyable {
    let descriptor: Descriptor
    /// Port 0 resolved.
    let address: SocketAddress
    /// The file of a Unix socket.
    let file: UnixSocketFile?

    /// The length of the queue: SwiftNIO's, which sets it anew when it takes a listening socket over.
    private static let backlog = 128

    /// - Parameter address: as it was written, for messages.
    static func open(at target: SocketAddress, writtenAs address: ServiceAddress) throws(AdminError) -> Listener {
        if case .unix(let path) = target {
            do throws(UnixSocketFileError) {
                try UnixSocketFile.prepare(path)
            } catch {
                throw AdminError(error, at: address)
            }
        }
        do throws(SystemError) {
            return try Listener(at: target)
        } catch {
            throw AdminError(error, at: address)
        }
    }

    private init(at target: SocketAddress) throws(SystemError) {
        // Only its socket calls are wanted: nothing ever waits on this system.
        var system = try LinuxSystem(batch: 1, wakerToken: Token(bits: 0))
        let descriptor = try system.listen(at: target, options: ListenOptions(backlog: Self.backlog))
        do throws(SystemError) {
            address = try system.localAddress(of: descriptor)
        } catch {
            system.close(descriptor)
            throw error
        }
        self.descriptor = descriptor
        file = if case .unix(let path) = target { UnixSocketFile(at: path) } else { nil }
    }

    static func close(_ descriptor: consuming Descriptor, file: UnixSocketFile?) {
        file?.remove()
        Glibc.close(descriptor.release())
    }

    /// The first of the addresses that an address stands for: the others of a name are the same machine's.
    static func resolve(_ address: ServiceAddress) async throws(AdminError) -> SocketAddress {
        do throws(ProxyError) {
            return try await Resolver.addresses(of: address)[0]
        } catch {
            throw .unresolvable(error)
        }
    }
}

extension SocketAddress {
    /// Whether only this machine can reach it. The file of a Unix socket has permissions.
    var isLoopback: Bool {
        guard case .internet(let address) = self else { return true }
        return address.isIPv4 ? address.low >> 24 & 0xFF == 127 : address.high == 0 && address.low == 1
    }
}

extension AdminError {
    fileprivate init(_ error: SystemError, at address: ServiceAddress) {
        self =
            switch error.code {
            case EADDRINUSE: .addressInUse(address)
            case EACCES, EPERM: .permissionDenied(address)
            case EADDRNOTAVAIL: .addressNotAvailable(address)
            default: .cannotListen(address, error)
            }
    }

    fileprivate init(_ error: UnixSocketFileError, at address: ServiceAddress) {
        self =
            switch error {
            case .inUse: .addressInUse(address)
            case .notASocket(let path): .notASocket(path: path)
            case .cannotRemove: .permissionDenied(address)
            case .cannotProbe(_, let error): AdminError(error, at: address)
            }
    }
}
