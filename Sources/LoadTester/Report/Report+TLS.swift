import TLS

extension LoadTest.Report {
    /// TLS handshakes and failures.
    public struct TLS: Sendable, Hashable, Codable {
        /// Full handshakes completed in the whole run.
        public var full: Int
        /// Resumed handshakes completed in the whole run.
        public var resumed: Int
        /// Handshakes completed in the measured time, per second.
        public var handshakesPerSecond: Double
        /// Connections whose stream the target ended without close_notify.
        public var truncated: Int
        /// Versions and cipher suites of the handshakes, the most frequent first.
        public var agreements: [Agreement]
        /// Causes of the errors counted as `tls`, the most frequent first.
        public var failures: [LoadTest.FailureCounts.TLSCause]

        /// A version and a cipher suite that was agreed on.
        public struct Agreement: Sendable, Hashable, Codable {
            /// Version: `1.2` or `1.3`.
            public var version: String
            /// IANA name of the cipher suite.
            public var cipher: String
            /// Number of handshakes.
            public var count: Int
        }
    }
}

extension LoadTest.Report.Setup {
    /// TLS settings.
    public struct TLS: Sendable, Hashable, Codable {
        /// Name sent as SNI and compared with the target's certificate.
        public var serverName: String
        /// Verification of the target's certificate: `system`, `ca` or `off`.
        public var verify: String
        /// Oldest version.
        public var minVersion: String
        /// Newest version; nil if not limited.
        public var maxVersion: String?
        /// Percentage of handshakes that were to resume a session.
        public var resume: Int
    }
}

extension LoadTest.Report.TLS {
    /// - Parameters:
    ///   - total: counters of the whole run.
    ///   - window: counters of the measured time, which lasted `seconds`.
    init(_ total: Counts, _ window: Counts, _ threadResults: [ThreadResult], seconds: Double) {
        full = total.fullHandshakes
        resumed = total.resumedHandshakes
        handshakesPerSecond = seconds > 0 ? Double(window.handshakes) / seconds : 0
        truncated = total.truncated
        var counts: [[String]: Int] = [:]
        for agreement in threadResults.flatMap(\.agreements) {
            counts[[agreement.version, agreement.cipher], default: 0] += agreement.count
        }
        agreements = counts.map { Agreement(version: $0.key[0], cipher: $0.key[1], count: $0.value) }
            .sorted { ($1.count, $0.version, $0.cipher) < ($0.count, $1.version, $1.cipher) }
        failures = total.failures.tlsCauses
    }

    /// The handshakes in one line: `TLS 1.3 TLS_AES_128_GCM_SHA256, 1,234 full and 5,678 resumed handshakes`.
    var summary: String {
        let names = agreements.map { agreement in
            let count = agreements.count > 1 ? " (\(Grouped(agreement.count)))" : ""
            return "TLS \(agreement.version) \(agreement.cipher)\(count)"
        }
        var parts = names + ["\(Grouped(full)) full and \(Grouped(resumed)) resumed handshakes"]
        if truncated > 0 { parts.append("\(Grouped(truncated)) ended without close_notify") }
        return parts.joined(separator: ", ")
    }
}

extension LoadTest.Report.Setup.TLS {
    init(_ configuration: LoadTest.TLSConfiguration, serverName: String?) {
        self.serverName = serverName ?? ""
        verify =
            switch configuration.settings.verification {
            case .system: "system"
            case .authorities: "ca"
            case .off: "off"
            }
        minVersion = configuration.settings.parameters.minVersion.description
        maxVersion = configuration.settings.parameters.maxVersion?.description
        resume = configuration.resume
    }
}
