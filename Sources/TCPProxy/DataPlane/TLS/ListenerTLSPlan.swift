import TLS

/// The contexts of a listener's certificates, and the selection among them. Equal if made from the same configuration.
struct ListenerTLSPlan: Sendable {
    /// One for each set of names.
    let contexts: [TLSContext]
    /// The index of the context by SNI host name; ``refused`` refuses the client.
    private let names: SNIRoutingTable<Int16>
    /// The index of the context of each certificate, for routes that name one.
    private let contextsByCertificate: [TLSCertificate: Int16]
    private let configuration: ListenerTLS

    /// The value of `names` for clients that are refused.
    static let refused: Int16 = -1

    /// - Throws: ``TLSError`` for the first certificate or setting that cannot be used.
    init(_ configuration: ListenerTLS) throws(TLSError) {
        var groups: [(names: [SNIPattern], certificates: [TLSCertificate])] = []
        for certificate in configuration.certificates {
            let info = try CertificateInfo(certificate.chain)
            // Other names, such as IP addresses, cannot be requested by SNI.
            let names = info.names.compactMap { try? SNIPattern(parsing: $0) }
            if let index = groups.firstIndex(where: { Set($0.names) == Set(names) }) {
                groups[index].certificates.append(certificate)
            } else {
                groups.append((names, [certificate]))
            }
        }
        guard groups.count <= Self.maxContexts else {
            throw .setting("number of certificates \(groups.count)", "must be at most \(Self.maxContexts)")
        }
        let ticketKey = TicketKey.random()
        var contexts: [TLSContext] = []
        var patterns: [(pattern: SNIPattern, value: Int16)] = []
        var taken: Set<SNIPattern> = []
        var contextsByCertificate: [TLSCertificate: Int16] = [:]
        for group in groups {
            for certificate in group.certificates { contextsByCertificate[certificate] = Int16(contexts.count) }
            var settings = TLSServerSettings(certificates: group.certificates)
            settings.parameters = configuration.parameters
            settings.clients = configuration.clients
            settings.ticketKey = ticketKey
            patterns += group.names.filter { taken.insert($0).inserted }.map { ($0, Int16(contexts.count)) }
            contexts.append(try TLSContext(server: settings))
        }
        guard !contexts.isEmpty else { throw .noCertificate }
        self.contexts = contexts
        self.contextsByCertificate = contextsByCertificate
        self.configuration = configuration
        do throws(SNIRoutingTableError) {
            names = try SNIRoutingTable(patterns, otherwise: configuration.refusesUnknownNames ? Self.refused : 0)
        } catch {
            throw .setting("certificate names", "\(error)")
        }
    }

    /// The maximum number of certificates with different names.
    static let maxContexts = 10_000

    /// Whether the client's SNI host name decides anything.
    var needsName: Bool { contexts.count > 1 || configuration.refusesUnknownNames }

    /// Returns the index of the context of a certificate, shared with other certificates for the same names; nil if the
    /// listener does not have it.
    func context(of certificate: TLSCertificate) -> Int16? { contextsByCertificate[certificate] }

    /// Returns the index of the context for a client; nil refuses it.
    ///
    /// - Parameter name: in lower case without a trailing dot, as in ``ClientHello``; nil if the client sent none.
    func context(for name: UnsafeRawBufferPointer?) -> Int16? {
        // A client that sends no name does not ask for another one.
        let index = name == nil ? 0 : names.value(for: name)
        return index == Self.refused ? nil : index
    }
}

extension ListenerTLSPlan: Equatable {
    static func == (first: ListenerTLSPlan, second: ListenerTLSPlan) -> Bool {
        first.configuration == second.configuration
    }
}

/// The key of session tickets, shared by the contexts of a listener.
enum TicketKey {
    /// The size in bytes.
    static let size = 48

    static func random() -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return (0..<size).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }
}
