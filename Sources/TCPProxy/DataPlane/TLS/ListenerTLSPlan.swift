import TLS

/// The contexts of a listener's certificates, and the selection among them. Equal if made from the same configuration.
struct ListenerTLSPlan: Sendable {
    /// One for each set of names.
    let contexts: [TLSContext]
    let configuration: ListenerTLS
    /// What the certificates say about themselves, in the order of the configuration.
    let certificates: [CertificateInfo]
    /// The index of the context by SNI host name; ``refused`` refuses the client.
    private let names: SNIRoutingTable<Int16>
    /// The index of the context of each certificate, for routes that name one.
    private let contextsByCertificate: [TLSCertificate: Int16]
    /// The keys of session tickets, shared by the contexts; nil without tickets.
    private let ticketKeys: SessionTicketKeys?

    /// The value of `names` for clients that are refused.
    static let refused: Int16 = -1

    /// - Throws: ``TLSError`` for the first certificate or setting that cannot be used.
    init(_ configuration: ListenerTLS) throws(TLSError) {
        var groups: [(names: [SNIPattern], certificates: [TLSCertificate])] = []
        var indices: [Set<SNIPattern>: Int] = [:]
        var certificates: [CertificateInfo] = []
        for certificate in configuration.certificates {
            let info = try CertificateInfo(certificate.chain)
            certificates.append(info)
            // Other names, such as IP addresses, cannot be requested by SNI.
            let names = info.names.compactMap { try? SNIPattern(parsing: $0) }
            if let index = indices[Set(names)] {
                groups[index].certificates.append(certificate)
            } else {
                indices[Set(names)] = groups.count
                groups.append((names, [certificate]))
            }
        }
        guard groups.count <= Self.maxContexts else {
            throw .setting("number of certificates \(groups.count)", "must be at most \(Self.maxContexts)")
        }
        let ticketKeys = try SessionTicketKeys(configuration.sessionTickets)
        var contexts: [TLSContext] = []
        var patterns: [(pattern: SNIPattern, value: Int16)] = []
        var taken: Set<SNIPattern> = []
        var contextsByCertificate: [TLSCertificate: Int16] = [:]
        for group in groups {
            for certificate in group.certificates { contextsByCertificate[certificate] = Int16(contexts.count) }
            var settings = TLSServerSettings(certificates: group.certificates)
            settings.parameters = configuration.parameters
            settings.clients = configuration.clients
            settings.ticketKeys = ticketKeys
            settings.sendsTickets = ticketKeys != nil
            patterns += group.names.filter { taken.insert($0).inserted }.map { ($0, Int16(contexts.count)) }
            contexts.append(try TLSContext(server: settings))
        }
        guard !contexts.isEmpty else { throw .noCertificate }
        self.contexts = contexts
        self.contextsByCertificate = contextsByCertificate
        self.configuration = configuration
        self.certificates = certificates
        self.ticketKeys = ticketKeys
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

    /// Takes over the random ticket keys of the plan that this one replaces, so that clients can resume their sessions.
    func keepTicketKeys(of former: ListenerTLSPlan) {
        guard case .random = configuration.sessionTickets, case .random = former.configuration.sessionTickets,
            let ticketKeys, let others = former.ticketKeys
        else { return }
        ticketKeys.copy(others)
    }
}

extension ListenerTLSPlan: Equatable {
    static func == (first: ListenerTLSPlan, second: ListenerTLSPlan) -> Bool {
        first.configuration == second.configuration
    }
}

extension SessionTicketKeys {
    /// Returns nil without tickets.
    fileprivate convenience init?(_ tickets: ListenerTLS.SessionTickets) throws(TLSError) {
        switch tickets {
        case .off: return nil
        case .random(let rotation): try self.init(rotation: rotation)
        case .keys(let keys): try self.init(keys)
        }
    }
}
