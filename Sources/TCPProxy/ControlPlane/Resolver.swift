import EventLoop
package import Sockets

/// Resolution of service addresses through getaddrinfo.
package enum Resolver {
    /// Returns all socket addresses of an address, at least one, in the order in which to try them.
    ///
    /// - Throws: ``ProxyError/unknownHost(_:detail:)``.
    package static func addresses(of address: ServiceAddress) async throws(ProxyError) -> [SocketAddress] {
        do throws(HostLookup.Failure) {
            return try await HostLookup.addresses(of: address)
        } catch {
            throw .unknownHost(error.host, detail: error.detail)
        }
    }
}
