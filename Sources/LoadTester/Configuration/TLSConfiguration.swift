public import TLS
import ValueFormats

extension LoadTest {
    /// TLS with the target.
    public struct TLSConfiguration: Sendable {
        /// Verification of the target, certificate of the client, protocols, versions and algorithms.
        public var settings: TLSClientSettings
        /// Name that is sent as SNI and that the target's certificate must have; nil uses the host of the target.
        public var serverName: String?
        /// Percentage of the handshakes that resume the session of an earlier connection, 0 to 100. If no session is
        /// available, such as for the first connections, the handshake is a full one.
        public var resume = Configuration.Settings.resume.defaultValue

        /// Creates settings with a verification of the target's certificate, which cannot be left out by mistake.
        public init(verification: TLSClientSettings.Verification, serverName: String? = nil) {
            settings = TLSClientSettings(verification: verification)
            self.serverName = serverName
        }
    }
}

extension LoadTest.Configuration {
    /// The name of the target for SNI and the verification of its certificate; nil if it has none.
    var serverName: String? {
        if let name = tls?.serverName { return name }
        switch target {
        case .name(let host, _): return host
        case .socket(.internet(let address)): return address.host
        case .socket(.unix): return tls?.settings.verification == .off ? "localhost" : nil
        }
    }

    /// Throws if TLS lacks a setting, or if one is outside its range.
    func checkTLS() throws(LoadTestError) {
        if case .handshake = mode, tls == nil {
            throw .badSetting(name: "mode", value: "handshake", allowed: "used with TLS")
        }
        try Settings.resume.check(tls?.resume)
        if tls != nil, serverName == nil {
            throw .badSetting(
                name: "tls-name",
                value: "",
                allowed: "the name in the target's certificate, because a Unix socket has none"
            )
        }
    }

    /// Creates the context of the connections; nil without TLS.
    func tlsContext() throws(LoadTestError) -> TLSContext? {
        guard let tls else { return nil }
        do throws(TLSError) {
            return try TLSContext(client: tls.settings)
        } catch {
            throw .tls(error)
        }
    }
}
