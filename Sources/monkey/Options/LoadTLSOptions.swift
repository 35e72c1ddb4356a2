import ArgumentParser
import LoadBalancer
import LoadTester
import TCPProxy

/// Options for TLS with the target of a load test.
struct LoadTLSOptions: ReusedOptions {
    static let definition = Self(definition: ())

    init(definition: Void) {}

    private typealias Settings = CommandLineSettings

    @Flag(Settings.tls)
    var tls: Bool

    @Option(Settings.tlsVerify, .word(named: "authorities"))
    var verify: PoolTLS.Verify?

    @Option(Settings.tlsCA, named: "file")
    var ca: String?

    @Option(Settings.tlsName, named: "name")
    var name: String?

    @Option(Settings.tlsCertificate, named: "file")
    var certificate: String?

    @Option(Settings.tlsKey, named: "file")
    var key: String?

    @Option(Settings.tlsALPN, .applicationProtocol)
    var alpn: [ALPNProtocol]

    @Option(Settings.tlsMinVersion, named: "version")
    var minVersion: ListenerTLS.MinVersion?

    @Option(Settings.tlsMaxVersion, .word(named: "version"))
    var maxVersion: ListenerTLS.MinVersion?

    @Option(ListenerTLS.Settings.ciphers, named: "ciphers")
    var ciphers: String?

    @Option(ListenerTLS.Settings.groups, named: "groups")
    var groups: String?

    @Option(
        LoadTest.Configuration.Settings.resume,
        .percentage(LoadTest.Configuration.Settings.resume.values.numbers)
    )
    var resume = Percentage(value: LoadTest.Configuration.Settings.resume.defaultValue)

    private func isUsed(_ mode: LoadMode?) -> Bool { tls || mode == .handshake }

    /// Throws for an option that would have no effect.
    func validate(mode: LoadMode?) throws {
        let options = [
            ("--tls-verify", verify != nil), ("--tls-ca", ca != nil), ("--tls-name", name != nil),
            ("--tls-certificate", certificate != nil), ("--tls-key", key != nil), ("--tls-alpn", !alpn.isEmpty),
            ("--tls-min-version", minVersion != nil), ("--tls-max-version", maxVersion != nil),
            ("--tls-ciphers", ciphers != nil), ("--tls-groups", groups != nil), ("--resume", resume.value > 0),
        ]
        if !isUsed(mode), let option = options.first(where: \.1) {
            throw ValidationError("\(option.0) has no effect without --tls: add --tls")
        }
        if verify == .ca, ca == nil {
            throw ValidationError("--tls-verify ca requires the authorities: add --tls-ca FILE")
        }
        if let verify, verify != .ca, ca != nil {
            throw ValidationError("--tls-ca has no effect with --tls-verify \(verify): remove one of the two")
        }
        if (certificate == nil) != (key == nil) {
            throw ValidationError("a client certificate needs both --tls-certificate FILE and --tls-key FILE")
        }
    }

    /// Returns the settings of the load test; nil without TLS.
    ///
    /// - Throws: an error that names the file, if one cannot be read or used.
    func configuration(mode: LoadMode?) throws -> LoadTest.TLSConfiguration? {
        guard isUsed(mode) else { return nil }
        var section = PoolTLSSection()
        section.verify = verify
        section.ca = ca
        section.serverName = name
        section.certificate = certificate
        section.key = key
        section.alpn = alpn
        section.minVersion = minVersion ?? .v12
        section.ciphers = ciphers
        section.groups = groups
        let pool = try section.load(in: ConfigurationFile.Context())
        var configuration = LoadTest.TLSConfiguration(verification: .off, serverName: name)
        configuration.settings = pool.settings
        configuration.settings.parameters.maxVersion = maxVersion?.version
        configuration.resume = resume.value
        return configuration
    }
}
