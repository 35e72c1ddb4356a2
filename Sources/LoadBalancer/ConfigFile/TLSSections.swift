package import ProcessSupport
package import TCPProxy

/// TLS of a listener. Paths are relative to the folder of the file.
package struct ListenerTLSSection: Sendable, Equatable {
    package var certificates: [CertificateSection] = []
    package var unknownName = ListenerTLS.Settings.unknownName.defaultValue
    package var unrouted = ListenerTLS.Settings.unrouted.defaultValue
    package var clientCertificates = ListenerTLS.Settings.clientCertificates.defaultValue
    package var clientCA: String?
    package var alpn: [ALPNProtocol] = []
    package var minVersion = ListenerTLS.Settings.minVersion.defaultValue
    package var ciphers: String?
    package var groups: String?
    /// The settings with the content of the files; nil before they are read.
    package var loaded: ListenerTLS?

    package init() {}
}

/// A certificate chain and its key.
package struct CertificateSection: Sendable, Equatable {
    package var certificate = ""
    package var key = ""

    package init(certificate: String = "", key: String = "") {
        self.certificate = certificate
        self.key = key
    }
}

/// TLS of a pool. Paths are relative to the folder of the file.
package struct PoolTLSSection: Sendable, Equatable {
    /// nil is `ca` if there is a file of authorities, otherwise `system`.
    package var verify: PoolTLS.Verify?
    package var ca: String?
    package var serverName: String?
    package var certificate: String?
    package var key: String?
    package var alpn: [ALPNProtocol] = []
    package var minVersion = ListenerTLS.Settings.minVersion.defaultValue
    package var ciphers: String?
    package var groups: String?
    /// The settings with the content of the files; nil before they are read.
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

/// The files that TLS settings name.
package enum TLSFiles {
    /// The maximum size of a file in bytes.
    package static let maxSize = 1 << 20

    /// Reads a file; its name in messages is the path as written.
    package static func read(
        _ path: String,
        in context: ConfigurationFile.Context = ConfigurationFile.Context()
    ) throws(RegularFileError) -> PEMText {
        let bytes = try context.readPEM(ConfigurationFile.Context.path(path, from: context.folder))
        return PEMText(name: path, bytes: bytes)
    }
}

extension ListenerTLSSection {
    /// Reads the files.
    ///
    /// - Throws: `RegularFileError`, ``TLSError``, or ``TLSSettingsError`` for settings that contradict each other.
    ///
    /// - Parameter others: certificates that are in memory already.
    package func load(in context: ConfigurationFile.Context, beside others: [TLSCertificate] = []) throws -> ListenerTLS
    {
        var tls = ListenerTLS(certificates: others)
        for pair in certificates {
            tls.certificates.append(
                TLSCertificate(
                    chain: try TLSFiles.read(pair.certificate, in: context),
                    key: try TLSFiles.read(pair.key, in: context)
                )
            )
        }
        tls.refusesUnknownNames = unknownName == .refuse
        tls.unrouted = unrouted
        tls.parameters = TLSParameters(alpn, minVersion, ciphers: ciphers, groups: groups)
        switch (clientCertificates, clientCA) {
        case (.off, nil):
            break
        case (.off, .some):
            throw TLSSettingsError(
                "client-ca has no effect without client-certificates: add client-certificates: optional or required"
            )
        case (_, nil):
            throw TLSSettingsError("client-certificates needs the authorities to verify them with: add client-ca: FILE")
        case (_, .some(let path)):
            tls.clients = TLSServerSettings.ClientVerification(
                authorities: try TLSFiles.read(path, in: context),
                areRequired: clientCertificates == .required
            )
        }
        try tls.check()
        return tls
    }
}

extension PoolTLSSection {
    /// Reads the files.
    ///
    /// - Throws: `RegularFileError`, ``TLSError``, or ``TLSSettingsError`` for settings that contradict each other.
    package func load(in context: ConfigurationFile.Context) throws -> PoolTLS {
        var tls = PoolTLS(verification: .off, serverName: serverName)
        switch (verify ?? (ca == nil ? .system : .ca), ca) {
        case (.ca, .some(let path)):
            tls.settings.verification = .authorities(try TLSFiles.read(path, in: context))
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
                chain: try TLSFiles.read(certificate, in: context),
                key: try TLSFiles.read(key, in: context)
            )
        case (nil, nil):
            break
        case (.some, nil):
            throw TLSSettingsError("certificate needs its private key: add key: FILE")
        case (nil, .some):
            throw TLSSettingsError("key has no effect without certificate: add certificate: FILE")
        }
        tls.settings.parameters = TLSParameters(alpn, minVersion, ciphers: ciphers, groups: groups)
        try tls.check()
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
