/// Which pool a TLS client is sent to by its hello: that of the first protocol that it offers and that has one, otherwise
/// that of the name that it asks for.
///
/// Protocols come first: who offers `acme-tls/1` or `postgresql` wants something else than others who ask for the same name.
/// A search allocates nothing.
struct ClientHelloRoutes: Sendable, Equatable {
    private struct ProtocolPool: Equatable {
        let name: [UInt8]
        let pool: Int16
    }

    /// So many of the protocols that a client offers are looked at. Clients offer a few; a hello has room for thousands.
    static let mostOffers = 64

    private let protocols: [ProtocolPool]
    private let names: ServerNameTable<Int16>

    /// - Parameter names: of servers; what holds for all other clients is its default.
    init(protocols: [(name: ApplicationProtocol, pool: Int16)] = [], names: ServerNameTable<Int16>) {
        self.protocols = protocols.map { ProtocolPool(name: Array($0.name.name.utf8), pool: $0.pool) }
        self.names = names
    }

    /// - Parameter scratch: what the hello was read with.
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
