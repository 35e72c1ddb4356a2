import TCPProxy

// Validation of the access control keys of a listener.

extension ListenerSection {
    /// Checks the access lists and the trusted proxies.
    func checkEntrance(_ written: YAMLNode, _ diagnostics: inout Diagnostics) {
        if let place = written["deny"] {
            do throws(AccessListError) {
                _ = try AccessList(allow: allow, deny: deny)
            } catch {
                diagnostics.within("deny") { $0.error(at: place.location, "\(error)") }
            }
        }
        if acceptProxy != nil, written["trusted-proxies"] == nil, let place = written["accept-proxy"] {
            diagnostics.error(
                at: place.location,
                "missing key trusted-proxies: add their networks, such as trusted-proxies: [10.0.0.0/8]"
            )
        }
        if acceptProxy != nil, let place = written["trusted-proxies"], case .list(let items) = place.content,
            items.isEmpty
        {
            diagnostics.within("trusted-proxies") {
                $0.error(at: place.location, "no proxy is trusted: add networks of proxies, such as [10.0.0.0/8]")
            }
        }
        if acceptProxy != nil, let place = written["trusted-proxies"], !trustedProxies.isEmpty {
            let isUnix = if case .socket(.unix) = listen { true } else { false }
            diagnostics.within("trusted-proxies") { diagnostics in
                if isUnix, !trustedProxies.contains(.unix) {
                    diagnostics.error(
                        at: place.location,
                        "the peers of a Unix socket have no network address: write [unix] to trust them all"
                    )
                } else if !isUnix, trustedProxies.allSatisfy({ $0 == .unix }) {
                    diagnostics.error(
                        at: place.location,
                        "unix applies to listeners at a Unix socket: add networks of proxies, such as [10.0.0.0/8]"
                    )
                }
            }
        }
        if let place = written["trusted-proxies"], written["accept-proxy"] == nil {
            diagnostics.within("trusted-proxies") {
                $0.error(
                    at: place.location,
                    "no effect without accept-proxy: add accept-proxy: required, or optional"
                )
            }
        }
    }
}
