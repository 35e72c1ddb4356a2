/// Where a TLS client goes, and whether what it sends is decrypted.
struct TLSRoute: Sendable, Equatable {
    /// The number of the pool.
    var pool: Int16
    /// The index of the context that decrypts, or one of the two values below. A listener without TLS ignores it.
    var context = Self.byName

    /// Selects the context by the names in the certificates.
    static let byName: Int16 = -1
    /// Forwards the ClientHello and all that follows as it is.
    static let pass: Int16 = -2
}

/// Selection of a route by ClientHello: the first route whose protocol the client offers applies, otherwise the SNI host
/// name decides.
///
/// ALPN takes precedence because a client that offers `acme-tls/1` or `postgresql` needs a different service than other
/// clients that send the same name. A lookup allocates nothing.
struct TLSRouter: Sendable, Equatable {
    private struct ProtocolRoute: Equatable {
        let name: [UInt8]
        let route: TLSRoute
    }

    /// Maximum number of offered protocols that are examined. Clients offer a few; a ClientHello has room for
    /// thousands.
    static let maxOffers = 64

    private let protocols: [ProtocolRoute]
    private let names: SNIRoutingTable<TLSRoute>
    /// Number of the pool for connections that do not start with TLS; nil denies them.
    let plainPool: Int16?

    /// - Parameters:
    ///   - protocols: routes by protocol, the preferred protocol first.
    ///   - names: routes by SNI host name; its default is for all other clients.
    ///   - plainPool: pool for connections that do not start with TLS; nil denies them.
    init(
        protocols: [(name: ALPNProtocol, route: TLSRoute)] = [],
        names: SNIRoutingTable<TLSRoute>,
        plainPool: Int16? = nil
    ) {
        self.protocols = protocols.map { ProtocolRoute(name: Array($0.name.name.utf8), route: $0.route) }
        self.names = names
        self.plainPool = plainPool
    }

    /// Returns the route for a ClientHello.
    ///
    /// - Parameter scratch: the buffer that the ClientHello was parsed with.
    func route(for hello: ClientHello, in scratch: UnsafeRawBufferPointer) -> TLSRoute {
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
            if best < protocols.count { return protocols[best].route }
        }
        return names.value(for: hello.serverName.map { UnsafeRawBufferPointer(rebasing: scratch[$0]) })
    }
}
