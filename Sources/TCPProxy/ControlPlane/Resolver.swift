package import Sockets
import EventLoop

/// Resolution of service addresses through getaddrinfo.
package enum Resolver {
    /// Returns all socket addresses of an address, at least one, in the order in which to try them.
    ///
    /// - Throws: ``ProxyError/unknownHost(_:detail:)``.
    package static func addresses(of address: ServiceAddress) async throws(ProxyError) -> [SocketAddress] {
        switch address {
        case .socket(let address):
            return [address]
        case .name(let host, let port):
            do throws(HostLookup.Failure) {
                return try await HostLookup.addresses(of: host, port: port).map { .internet($0) }
            } catch {
                throw .unknownHost(host, detail: error.detail)
            }
        }
    }
}
