/// Selection of a pool by ClientHello: the first protocol offered that has a route determines the pool, otherwise the
/// SNI host name does.
///
/// ALPN takes precedence because a client that offers `acme-tls/1` or `postgresql` needs a different service than other
/// clients that send the same name. A lookup allocates nothing.
struct TLSRouter: Sendable, Equatable {
    private struct ProtocolPool: Equatable {
        let name: [UInt8]
        let pool: Int16
    }

    /// Maximum number of offered protocols that are examined. Clients offer a few; a ClientHello has room for
    /// thousands.
    static let mostOffers = 64

    private let protocols: [ProtocolPool]
    private let names: SNIRoutingTable<Int16>

    /// - Parameters:
    ///   - protocols: pools by protocol.
    ///   - names: pools by SNI host name; its default is for all other clients.
    init(protocols: [(name: ALPNProtocol, pool: Int16)] = [], names: SNIRoutingTable<Int16>) {
        self.protocols = protocols.map { ProtocolPool(name: Array($0.name.name.utf8), pool: $0.pool) }
        self.names = names
    }

    /// Returns the number of the pool for a ClientHello.
    ///
    /// - Parameter scratch: the buffer that the ClientHello was parsed with.
    func pool(for hello: ClientHello, in scratch: UnsafeRawBufferPointer) -> Int16 {
        if !protocols.isEmpty {
            for offer in hello.protocols(in: scratch).prefix(Self.mostOffers) {
                let offer = UnsafeRawBufferPointer(rebasing: scratch[offer])
                for route in protocols where route.name.elementsEqual(offer) { return route.pool }
            }
        }
        return names.value(for: hello.serverName.map { UnsafeRawBufferPointer(rebasing: scratch[$0]) })
    }
}
