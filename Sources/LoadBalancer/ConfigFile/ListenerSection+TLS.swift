import TCPProxy

// Validation of which TLS clients a listener decrypts.

extension ListenerSection {
    /// - Parameter encrypted: the names of the pools with TLS.
    func checkTLS(_ written: YAMLNode, encrypted: Set<String>, _ diagnostics: inout Diagnostics) {
        let targets =
            sniPatterns.map { ("sni", $0.written, $0.target) } + alpnProtocols.map { ("alpn", $0.written, $0.target) }
        let members = ["sni": written["sni"]?.members ?? [:], "alpn": written["alpn"]?.members ?? [:]]
        for (key, name, target) in targets {
            guard let written = members[key]?[name] else { continue }
            diagnostics.within(key) { diagnostics in
                diagnostics.within(name) { diagnostics in
                    check(target, written, &diagnostics)
                    if passes(target), encrypted.contains(target.pool) {
                        diagnostics.warning(at: written.location, Self.doubleTLS(target.pool))
                    }
                }
            }
        }
        if connectionProtocol == .postgres, tls == nil, targets.isEmpty, !encrypted.contains(pool),
            let place = written["protocol"]
        {
            diagnostics.within("protocol") { diagnostics in
                diagnostics.warning(
                    at: place.location,
                    "no effect without tls, sni or alpn of the listener, or tls of its pool: add one, or remove this key"
                )
            }
        }
        guard tls?.unrouted == .pass, let place = written["tls"]?["unrouted"] else { return }
        diagnostics.within("tls") { diagnostics in
            diagnostics.within("unrouted") { diagnostics in
                if encrypted.contains(pool) { diagnostics.warning(at: place.location, Self.doubleTLS(pool)) }
                guard targets.allSatisfy({ passes($0.2) }) else { return }
                diagnostics.warning(
                    at: place.location,
                    "no client is decrypted, because no route terminates TLS: add one to sni or alpn, or remove tls"
                )
            }
        }
    }

    private func passes(_ target: RouteTargetSection) -> Bool { tls == nil || target.tls == .pass }

    private static func doubleTLS(_ pool: String) -> String {
        "pool \(pool) has tls, so its servers get TLS within TLS: remove tls of the pool, or use another pool"
    }

    private func check(_ target: RouteTargetSection, _ written: YAMLNode, _ diagnostics: inout Diagnostics) {
        if let action = target.tls, tls == nil, let place = written["tls"] {
            diagnostics.within("tls") { diagnostics in
                switch action {
                case .terminate:
                    diagnostics.error(
                        at: place.location,
                        "the listener has no certificates: add tls to the listener, or remove this key"
                    )
                case .pass:
                    diagnostics.warning(
                        at: place.location,
                        "no effect without tls of the listener, which passes all clients: remove this key"
                    )
                }
            }
        }
        guard let certificate = target.certificate, let place = written["certificate"] else { return }
        let known = tls?.certificates.map(\.certificate) ?? []
        diagnostics.within("certificate") { diagnostics in
            if target.tls == .pass {
                diagnostics.error(at: place.location, "no effect with tls: pass: remove one of the two keys")
            } else if !known.contains(certificate) {
                let advice = known.isEmpty ? "add tls to the listener" : advice(for: certificate, among: known)
                diagnostics.error(
                    at: place.location,
                    "the listener has no certificate \(quoted(certificate)): \(advice)"
                )
            }
        }
    }
}
