package import Sockets
import Workers

/// What an address stands for, looked up where it is a name.
package enum Resolver {
    /// All socket addresses of an address, in the order in which they should be tried; one at least.
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
