import TLS

/// The context of a pool's connections to its servers.
struct PoolTLSPlan: Sendable {
    let context: TLSContext
    let configuration: PoolTLS
    /// The servers by position. Not in the plan of each server, because copying that would count references for each
    /// connection.
    var servers: [TLSServer] = []

    /// - Throws: ``TLSError`` if a certificate or a setting cannot be used.
    init(_ configuration: PoolTLS) throws(TLSError) {
        context = try TLSContext(client: configuration.settings)
        self.configuration = configuration
    }
}
