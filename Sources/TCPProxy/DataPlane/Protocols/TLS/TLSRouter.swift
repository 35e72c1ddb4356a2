/// Selection of a pool by ClientHello: the first route whose protocol the client offers determines the pool, otherwise
/// the SNI host name does.
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
    static let maxOffers = 64

    private let protocols: [ProtocolPool]
    private let names: SNIRoutingTable<Int16>
    /// Number of the pool for connections that do not start with TLS; nil denies them.
    let plainPool: Int16?

    /// - Parameters:
    ///   - protocols: pools by protocol, the preferred protocol first.
    ///   - names: pools by SNI host name; its default is for all other clients.
    ///   - plainPool: pool for connections that do not start with TLS; nil denies them.
    init(
        protocols: [(name: ALPNProtocol, pool: Int16)] = [],
        names: SNIRoutingTable<Int16>,
        plainPool: Int16? = nil
    ) {
        self.protocols = protocols.map { ProtocolPool(name: Array($0.name.name.utf8), pool: $0.pool) }
        self.names = names
        self.plainPool = plainPool
    }

    /// Returns the number of the pool for a ClientHello.
    ///
    /// - Parameter scratch: the buffer that the ClientHello was parsed with.
    func pool(for hello: ClientHello, in scratch: UnsafeRawBufferPointer) -> Int16 {
        if !protocols.isEmpty {
            // The position of the best route so far: the operator's order decides, not the client's.
            var best = protocols.count
            for offer in hello.protocols(in: scratch).prefix(Self.maxOffers) {
                let offer = UnsafeRawBufferPointer(rebasing: scratch[offer])
                for position in 0..<best where protocols[position].name.elementsEqual(offer) {
                    best = position
                    break
                }
            }
            if best < protocols.count { return protocols[best].pool }
        }
        return names.value(for: hello.serverName.map { UnsafeRawBufferPointer(rebasing: scratch[$0]) })
    }
}
