package import TCPProxy

/// TLS of a listener or a pool. Paths are relative to the folder of the file.
protocol TLSSection {
    associatedtype Loaded

    /// The settings with the content of the files; nil before they are read.
    var loaded: Loaded? { get set }

    /// Reads the files.
    ///
    /// - Parameters:
    ///   - name: the listener or pool.
    ///   - warnings: receives what is not as intended although the settings can be used.
    /// - Throws: `RegularFileError`, `TLSError`, or ``TLSSettingsError`` for settings that contradict each other.
    func load(in context: ConfigurationFile.Context, for name: String, _ warnings: inout [String]) throws -> Loaded
}

package struct ListenerTLSSection: TLSSection, Sendable, Equatable {
    package var certificates: [CertificateSection] = []
    package var unknownName = ListenerTLS.Settings.unknownName.defaultValue
    package var unrouted = ListenerTLS.Settings.unrouted.defaultValue
    package var clientCertificates = ListenerTLS.Settings.clientCertificates.defaultValue
    package var clientCA: String?
    package var clientNames: [String] = []
    package var sessionTickets = ListenerTLS.Settings.sessionTickets.defaultValue
    package var sessionTicketRotation = ListenerTLS.Settings.sessionTicketRotation.defaultValue
    package var sessionTicketKeys: String?
    package var handshakeRate: RateValue?
    package var requireCloseNotify = ListenerTLS.Settings.requireCloseNotify.defaultValue
    package var alpn: [ALPNProtocol] = []
    package var minVersion = ListenerTLS.Settings.minVersion.defaultValue
    package var ciphers: String?
    package var groups: String?
    /// Certificates that are not in files.
    package var inMemory: [TLSCertificate] = []
    package var loaded: ListenerTLS?

    package init() {}
}

/// A certificate chain and its key, or a folder of them.
package struct CertificateSection: Sendable, Equatable {
    package var certificate = ""
    package var key = ""
    /// The OCSP response; nil sends none.
    package var ocsp: String?
    /// The folder, if this is one.
    package var folder: String?

    package init(certificate: String = "", key: String = "", ocsp: String? = nil, folder: String? = nil) {
        self.certificate = certificate
        self.key = key
        self.ocsp = ocsp
        self.folder = folder
    }
}

package struct PoolTLSSection: TLSSection, Sendable, Equatable {
    /// nil is `ca` if there is a file of authorities, otherwise `system`.
    package var verify: PoolTLS.Verify?
    package var ca: String?
    package var serverName: String?
    package var certificate: String?
    package var key: String?
    package var alpn: [ALPNProtocol] = []
    package var requireCloseNotify = PoolTLS.Settings.requireCloseNotify.defaultValue
    package var minVersion = ListenerTLS.Settings.minVersion.defaultValue
    package var ciphers: String?
    package var groups: String?
    package var loaded: PoolTLS?

    package init() {}
}

/// TLS of a health check.
package enum CheckTLSSection: Sendable, Equatable {
    /// With the settings of the pool, or with the defaults if it has none; or not at all.
    case word(Use)
    /// With settings of its own.
    case settings(PoolTLSSection)

    package enum Use: String, CaseIterable, Sendable {
        case on, off
    }
}

// MARK: - Files

extension ListenerTLSSection {
    package func load(
        in context: ConfigurationFile.Context,
        for name: String,
        _ warnings: inout [String]
    ) throws -> ListenerTLS {
        var tls = ListenerTLS(certificates: inMemory)
        for section in certificates {
            for pair in try section.expanded(in: context) {
                tls.certificates.append(try pair.load(in: context, &warnings))
            }
        }
        tls.refusesUnknownNames = unknownName == .refuse
        tls.unrouted = unrouted
        tls.parameters = TLSParameters(alpn, minVersion, ciphers: ciphers, groups: groups)
        tls.clients = try clients(in: context)
        tls.sessionTickets = try tickets(in: context)
        tls.handshakeRate = handshakeRate?.rate
        tls.requiresCloseNotify = requireCloseNotify
        if let present = context.inUse.listeners[name], present == tls { return present }
        try tls.prepare()
        return tls
    }

    private func clients(
        in context: ConfigurationFile.Context
    ) throws -> TLSServerSettings.ClientVerification? {
        switch (clientCertificates, clientCA) {
        case (.off, nil):
            guard clientNames.isEmpty else {
                throw TLSSettingsError(
                    "client-names has no effect without client-certificates: add client-certificates: required"
                )
            }
            return nil
        case (.off, .some):
            throw TLSSettingsError(
                "client-ca has no effect without client-certificates: add client-certificates: optional or required"
            )
        case (_, nil):
            throw TLSSettingsError("client-certificates needs the authorities to verify them with: add client-ca: FILE")
        case (_, .some(let path)):
            var clients = TLSServerSettings.ClientVerification(
                authorities: try TLSFiles.certificates(path, in: context),
                areRequired: clientCertificates == .required
            )
            clients.names = clientNames
            return clients
        }
    }

    private func tickets(in context: ConfigurationFile.Context) throws -> ListenerTLS.SessionTickets {
        switch (sessionTickets, sessionTicketKeys) {
        case (.on, nil):
            return .random(rotation: sessionTicketRotation)
        case (.on, .some(let path)):
            return .keys(try TLSFiles.secret(path, in: context))
        case (.off, nil):
            return .off
        case (.off, .some):
            throw TLSSettingsError("session-ticket-keys has no effect with session-tickets: off: remove one of the two")
        }
    }
}

extension PoolTLSSection {
    /// Reads the files of settings that are not those of a pool in the configuration file; they have no warnings.
    package func load(in context: ConfigurationFile.Context) throws -> PoolTLS {
        var warnings: [String] = []
        return try load(in: context, for: "", &warnings)
    }

    package func load(
        in context: ConfigurationFile.Context,
        for name: String,
        _ warnings: inout [String]
    ) throws -> PoolTLS {
        var tls = PoolTLS(verification: .off, serverName: serverName)
        switch (verify ?? (ca == nil ? .system : .ca), ca) {
        case (.ca, .some(let path)):
            tls.settings.verification = .authorities(try TLSFiles.certificates(path, in: context))
        case (.ca, nil):
            throw TLSSettingsError("verify: ca needs the authorities: add ca: FILE")
        case (_, .some):
            throw TLSSettingsError("ca has an effect only with verify: ca: remove one of the two")
        case (.system, nil):
            tls.settings.verification = .system
        case (.off, nil):
            break
        }
        switch (certificate, key) {
        case (.some(let certificate), .some(let key)):
            tls.settings.certificate = TLSCertificate(
                chain: try TLSFiles.certificates(certificate, in: context),
                key: try TLSFiles.secret(key, in: context)
            )
        case (nil, nil):
            break
        case (.some, nil):
            throw TLSSettingsError("certificate needs its private key: add key: FILE")
        case (nil, .some):
            throw TLSSettingsError("key has no effect without certificate: add certificate: FILE")
        }
        tls.settings.parameters = TLSParameters(alpn, minVersion, ciphers: ciphers, groups: groups)
        tls.requiresCloseNotify = requireCloseNotify
        if let present = context.inUse.pools[name], present == tls { return present }
        try tls.prepare()
        return tls
    }
}

extension CheckTLSSection {
    /// Reads the files.
    ///
    /// - Parameter poolHasTLS: whether the pool has TLS settings, which are checked on their own.
    /// - Throws: the errors of ``PoolTLSSection/load(in:)``.
    mutating func load(in context: ConfigurationFile.Context, poolHasTLS: Bool) throws {
        switch self {
        case .settings(var settings):
            settings.loaded = try settings.load(in: context)
            self = .settings(settings)
        case .word(.on) where !poolHasTLS:
            _ = try PoolTLSSection().load(in: context)
        case .word:
            break
        }
    }

    var use: HealthCheck.TLSUse? {
        switch self {
        case .word(.on): .on
        case .word(.off): .off
        case .settings(let settings): settings.loaded.map { .own($0) }
        }
    }
}

extension TLSParameters {
    fileprivate init(
        _ alpn: [ALPNProtocol],
        _ minVersion: ListenerTLS.MinVersion,
        ciphers: String?,
        groups: String?
    ) {
        self.init()
        protocols = alpn.map(\.name)
        self.minVersion = minVersion.version
        self.ciphers = ciphers
        self.groups = groups
    }
}

/// TLS settings that contradict each other.
package struct TLSSettingsError: Error, CustomStringConvertible {
    package let description: String

    init(_ description: String) {
        self.description = description
    }
}
