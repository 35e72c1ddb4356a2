import ArgumentParser
import LoadBalancer
import Sockets
import TCPProxy
import ValueFormats

/// Options for TLS with clients and with servers.
struct TLSOptions: ReusedOptions {
    static let definition = Self(definition: ())

    init(definition: Void) {}

    private typealias Settings = ListenerTLS.Settings
    private typealias ServerSettings = PoolTLS.Settings

    @Option(Settings.certificate, .path)
    var certificate: [String]

    @Option(Settings.key, .path)
    var key: [String]

    @Option(Settings.selfSigned, .path(named: "name"))
    var selfSigned: String?

    @Option(Settings.unknownName, named: "effect")
    var unknownName: ListenerTLS.UnknownName?

    @Option(Settings.clientCertificates, named: "need")
    var clientCertificates: ListenerTLS.ClientCertificates?

    @Option(Settings.clientCA, .path)
    var clientCA: String?

    @Option(Settings.clientNames, .path(named: "name"))
    var clientName: [String]

    @Option(Settings.sessionTickets, named: "use")
    var sessionTickets: ListenerTLS.SessionTicketUse?

    @Option(Settings.sessionTicketRotation)
    var sessionTicketRotation: Switchable<DurationValue>

    @Option(Settings.sessionTicketKeys, .path)
    var sessionTicketKeys: String?

    @Option(Settings.handshakeRate, .rate)
    var handshakeRate: Switchable<RateValue>

    @Flag(Settings.requireCloseNotify)
    var requireCloseNotify: Bool

    @Option(ConfigurationFile.Settings.watchCertificates)
    var watchCertificates: Switchable<DurationValue>

    @Option(Settings.alpn, .applicationProtocol)
    var alpn: [ALPNProtocol]

    @Option(Settings.minVersion, named: "version")
    var minVersion: ListenerTLS.MinVersion?

    @Option(ListenerConfiguration.Settings.handshakeTimeout)
    var handshakeTimeout: Switchable<DurationValue>

    @Option(ListenerConfiguration.Settings.connectionProtocol, named: "protocol")
    var connectionProtocol: ConnectionProtocol?

    @Flag(ServerSettings.isUsed)
    var serverTLS: Bool

    @Option(ServerSettings.verify, .word(named: "authorities"))
    var serverVerify: PoolTLS.Verify?

    @Option(ServerSettings.ca, .path)
    var serverCA: String?

    @Option(ServerSettings.serverName, .path(named: "name"))
    var serverName: String?

    @Option(ServerSettings.certificate, .path)
    var serverCertificate: String?

    @Option(ServerSettings.key, .path)
    var serverKey: String?

    @Option(ServerSettings.alpn, .applicationProtocol)
    var serverALPN: [ALPNProtocol]

    @Option(PoolConfiguration.Settings.connectionProtocol, named: "protocol")
    var serverProtocol: ConnectionProtocol?

    @Flag(ServerSettings.requireCloseNotify)
    var serverRequireCloseNotify: Bool

    private var isUsed: Bool { !certificate.isEmpty || selfSigned != nil }

    func validate() throws {
        if certificate.count != key.count {
            throw ValidationError(
                "\(certificate.count) --tls-certificate and \(key.count) --tls-key: give each certificate its key"
            )
        }
        if !certificate.isEmpty, selfSigned != nil {
            throw ValidationError("--tls-self-signed replaces --tls-certificate: remove one of the two")
        }
        let clientOptions = [
            ("--tls-unknown-name", unknownName != nil), ("--tls-client-certificates", clientCertificates != nil),
            ("--tls-client-ca", clientCA != nil), ("--tls-alpn", !alpn.isEmpty),
            ("--tls-min-version", minVersion != nil), ("--tls-client-name", !clientName.isEmpty),
            ("--tls-session-tickets", sessionTickets != nil),
            ("--tls-session-ticket-keys", sessionTicketKeys != nil),
            ("--tls-handshake-rate", handshakeRate.value != nil), ("--tls-require-close-notify", requireCloseNotify),
        ]
        if !isUsed, let option = clientOptions.first(where: \.1) {
            throw ValidationError(
                "\(option.0) has no effect without a certificate: add --tls-certificate FILE and --tls-key FILE, or "
                    + "--tls-self-signed NAME"
            )
        }
        let serverOptions = [
            ("--server-tls-verify", serverVerify != nil), ("--server-tls-ca", serverCA != nil),
            ("--server-tls-name", serverName != nil), ("--server-tls-certificate", serverCertificate != nil),
            ("--server-tls-key", serverKey != nil), ("--server-tls-alpn", !serverALPN.isEmpty),
            ("--server-protocol postgres", serverProtocol == .postgres),
            ("--server-tls-require-close-notify", serverRequireCloseNotify),
        ]
        if !isUsed, !serverTLS, connectionProtocol == .postgres {
            throw ValidationError(
                "--protocol postgres has no effect without TLS: add --tls-certificate FILE and --tls-key FILE, "
                    + "--tls-self-signed NAME, or --server-tls"
            )
        }
        if !serverTLS, let option = serverOptions.first(where: \.1) {
            throw ValidationError("\(option.0) has no effect without --server-tls: add --server-tls")
        }
    }

    /// The TLS settings with the content of their files, and the warnings about them.
    struct Loaded {
        /// nil without TLS.
        var listener: ListenerTLSSection?
        /// nil without TLS.
        var pool: PoolTLSSection?
        var warnings: [String] = []

        /// The settings of a proxy with one listener and one pool, for reloading the files.
        func sources(of proxy: Proxy) -> TLSSources {
            var sources = TLSSources()
            if let listener, let name = proxy.listenerSnapshots().first?.name { sources.listeners[name] = listener }
            if let pool, let name = proxy.pools.first?.name { sources.pools[name] = pool }
            return sources
        }
    }

    /// Reads the files of the settings.
    func load() throws -> Loaded {
        let context = ConfigurationFile.Context()
        var warnings: [String] = []
        var (listener, pool) = (try listenerSection, poolSection)
        if let section = listener { listener?.loaded = try section.load(in: context, for: "", &warnings) }
        if let section = pool { pool?.loaded = try section.load(in: context, for: "", &warnings) }
        if let tls = listener?.loaded { warnings += CertificateWarnings.lines(about: tls, at: context.now()) }
        if let tls = pool?.loaded { warnings += CertificateWarnings.lines(about: tls, at: context.now()) }
        return Loaded(listener: listener, pool: pool, warnings: warnings)
    }

    func apply(_ loaded: Loaded, to listener: inout ListenerConfiguration) {
        listener.timeouts.handshake = handshakeTimeout.value?.duration
        if let connectionProtocol { listener.connectionProtocol = connectionProtocol }
        listener.tls = loaded.listener?.loaded
    }

    private var listenerSection: ListenerTLSSection? {
        get throws {
            guard isUsed else { return nil }
            var section = ListenerTLSSection()
            section.certificates = zip(certificate, key).map { CertificateSection(certificate: $0, key: $1) }
            section.inMemory = try selfSigned.map { [try TLSCertificate.selfSigned(for: $0)] } ?? []
            if let unknownName { section.unknownName = unknownName }
            if let clientCertificates { section.clientCertificates = clientCertificates }
            section.clientCA = clientCA
            section.clientNames = clientName
            if let sessionTickets { section.sessionTickets = sessionTickets }
            section.sessionTicketRotation = sessionTicketRotation.value?.duration
            section.sessionTicketKeys = sessionTicketKeys
            section.handshakeRate = handshakeRate.value
            section.requireCloseNotify = requireCloseNotify
            section.alpn = alpn
            if let minVersion { section.minVersion = minVersion }
            return section
        }
    }

    private var poolSection: PoolTLSSection? {
        guard serverTLS else { return nil }
        var section = PoolTLSSection()
        section.verify = serverVerify
        section.ca = serverCA
        section.serverName = serverName
        section.certificate = serverCertificate
        section.key = serverKey
        section.alpn = serverALPN
        section.requireCloseNotify = serverRequireCloseNotify
        return section
    }
}

extension TLSCertificate {
    /// Creates a certificate for a host name or an IP address, signed by its own key.
    fileprivate static func selfSigned(for name: String) throws -> TLSCertificate {
        if InternetAddress(host: name, port: 0) != nil {
            return try selfSigned(name: name, isAddress: true)
        }
        return try selfSigned(name: SNIPattern(parsing: name).description, isAddress: false)
    }
}

extension ValueReader where Value == String {
    /// The path of a file.
    fileprivate static var path: Self { path(named: "file") }

    /// A text that is not empty.
    fileprivate static func path(named name: String) -> Self {
        Self(name: name) { text in
            guard !text.isEmpty, !text.utf8.contains(0) else { throw ValueFormatError("invalid \(name) '\(text)'") }
            return text
        }
    }
}

extension ValueReader where Value == ALPNProtocol {
    static var applicationProtocol: Self {
        Self(name: "protocol") { text in try ALPNProtocol(parsing: text) }
    }
}
