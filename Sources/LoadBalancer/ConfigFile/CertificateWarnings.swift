package import TCPProxy
import ValueFormats

/// What clients may not accept of certificates that the proxy can use.
package enum CertificateWarnings {
    /// The time before the end of a certificate from which on there is a warning, in seconds.
    package static let expiryNotice: Int64 = 14 * 86_400

    /// Returns a warning for each problem of a listener's certificates.
    ///
    /// - Parameter now: seconds since 1970.
    package static func lines(about tls: ListenerTLS, at now: Int64) -> [String] {
        var lines: [String] = []
        var taken: [Identity: String] = [:]
        for certificate in tls.describedCertificates {
            let (name, info) = (certificate.name, certificate.info)
            if let line = expiry(of: name, info, at: now) { lines.append(line) }
            if info.names.isEmpty {
                lines.append("certificate \(name) has no DNS name or IP address in subjectAltName: clients refuse it")
            }
            if let misplaced = info.misplaced {
                lines.append(
                    "certificate \(misplaced) in \(name) has not issued the one before it: write the server's certificate "
                        + "first, then its issuer, and so on"
                )
            }
            let identity = Identity(names: Set(info.names), algorithm: info.algorithm)
            if let first = taken[identity] {
                lines.append(
                    "certificate \(name) is not used: \(first) has the same names and kind of key: remove one of the two"
                )
            } else {
                taken[identity] = name
            }
        }
        return lines
    }

    /// Returns a warning if the certificate for servers is not valid or ends soon.
    ///
    /// - Parameter now: seconds since 1970.
    package static func lines(about tls: PoolTLS, at now: Int64) -> [String] {
        guard let chain = tls.settings.certificate?.chain, let info = try? CertificateInfo(chain) else { return [] }
        return [expiry(of: chain.name, info, at: now)].compactMap { $0 }
    }

    private struct Identity: Hashable {
        var names: Set<String>
        var algorithm: String
    }

    /// Returns a warning if a certificate is not valid or ends soon.
    package static func expiry(of name: String, _ info: CertificateInfo, at now: Int64) -> String? {
        if let problem = invalidity(of: name, info, at: now) { return "\(problem): peers refuse it" }
        guard info.notAfter - now < expiryNotice else { return nil }
        let days = (info.notAfter - now) / 86_400
        return
            "certificate \(name) expires on \(date(info.notAfter)), in \(days) \(days == 1 ? "day" : "days"): renew it"
    }

    /// Returns why a certificate is not valid; nil if it is.
    static func invalidity(of name: String, _ info: CertificateInfo, at now: Int64) -> String? {
        if info.notAfter <= now { return "certificate \(name) expired on \(date(info.notAfter))" }
        if info.notBefore > now { return "certificate \(name) is not valid before \(date(info.notBefore))" }
        return nil
    }

    /// Returns an error for each certificate that is not valid and not in use.
    static func newlyInvalid(in tls: LoadedTLS, after present: LoadedTLS, at now: Int64) -> [String] {
        let used = Set(present.listeners.values.flatMap(\.certificates).map(\.chain))
        return tls.listeners.sorted { $0.key < $1.key }.flatMap { name, listener in
            listener.describedCertificates.compactMap { certificate in
                guard !used.contains(certificate.chain) else { return nil }
                return invalidity(of: certificate.name, certificate.info, at: now)
                    .map { "listener \(name): \($0): use a valid one" }
            }
        }
    }

    private static func date(_ seconds: Int64) -> String {
        String("\(Timestamp(secondsSince1970: Double(seconds)))".prefix(10))
    }
}
