import Sockets
import TCPProxy

// Validation that involves more than one value.

extension ConfigurationFile {
    func validate(_ root: YAMLNode, _ diagnostics: inout Diagnostics) {
        // The entries may be incomplete.
        if diagnostics.isExhausted { return }
        if accessLog == nil, let written = root["access-log-format"] {
            diagnostics.within("access-log-format") {
                $0.warning(at: written.location, "no effect without access-log: set access-log, or remove this key")
            }
        }
        if let written = root["listeners"] {
            diagnostics.within("listeners") { checkListeners(written, root, &$0) }
        }
        if let written = root["limits"] {
            diagnostics.within("limits") { checkSharedLimits(written, root, &$0) }
        }
        if let written = root["pools"] {
            diagnostics.within("pools") { diagnostics in
                let members = written.members
                for pool in pools {
                    guard let written = members[pool.name] else { continue }
                    diagnostics.within(pool.name) { pool.check(written, &$0) }
                }
                checkCount(written, &diagnostics)
                checkUse(written, root, &diagnostics)
            }
        }
    }

    // MARK: - Listeners

    private func checkListeners(_ written: YAMLNode, _ root: YAMLNode, _ diagnostics: inout Diagnostics) {
        // Values that could not be parsed are not checked: the error is already reported, and the entry has the
        // default.
        var taken = TakenAddresses()
        if let admin, admin.port != 0 { taken.add(admin, of: "admin") }
        let members = written.members
        let known = KnownPools(root["pools"])
        let graph = ForwardingGraph(self)
        let encrypted = Set(pools.lazy.filter { $0.tls != nil }.map(\.name))
        for listener in listeners {
            guard let written = members[listener.name] else { continue }
            diagnostics.within(listener.name) { diagnostics in
                listener.checkTimeouts(written, &diagnostics)
                if listener.limits == nil, let place = written["limits-dry-run"],
                    let warning = ConfigurationRules.dryRunWarning(listener.accessPolicy)
                {
                    diagnostics.within("limits-dry-run") { $0.warning(at: place.location, warning) }
                }
                if let name = written["pool"] {
                    diagnostics.within("pool") { checkPool(listener.pool, of: listener, name, known, graph, &$0) }
                }
                checkRoutes(listener.sniPatterns, in: "sni", of: listener, written, known, graph, &diagnostics)
                checkRoutes(
                    listener.alpnProtocols,
                    in: "alpn",
                    of: listener,
                    written,
                    known,
                    graph,
                    &diagnostics
                )
                if let plain = listener.plainPool, let name = written["plain"] {
                    diagnostics.within("plain") { diagnostics in
                        if written["sni"] == nil, written["alpn"] == nil, written["tls"] == nil {
                            diagnostics.error(
                                at: name.location,
                                "no effect without sni, alpn or tls: add routes, or use pool for all connections"
                            )
                        } else {
                            checkPool(plain, of: listener, name, known, graph, &diagnostics)
                        }
                    }
                }
                listener.checkEntrance(written, &diagnostics)
                listener.checkTLS(written, encrypted: encrypted, &diagnostics)
                if let limits = listener.limits, let name = written["limits"] {
                    diagnostics.within("limits") { checkLimits(limits, name, written, root, &$0) }
                }
                listener.checkSocketFile(written, &diagnostics)
                guard let place = written["listen"], place.isScalar(listener.listen) else { return }
                diagnostics.within("listen") { diagnostics in
                    guard let other = taken.first(collidingWith: listener.listen),
                        let conflict = ConfigurationRules.conflict(
                            of: listener.listen,
                            with: other.address,
                            of: other.owner
                        )
                    else { return }
                    diagnostics.error(at: place.location, conflict)
                }
                taken.add(listener.listen, of: "listeners.\(listener.name)")
            }
        }
    }

    private func checkLimits(
        _ limits: String,
        _ name: YAMLNode,
        _ written: YAMLNode,
        _ root: YAMLNode,
        _ diagnostics: inout Diagnostics
    ) {
        var names: [String] = []
        if case .mapping(let members) = root["limits"]?.content { names = members.map(\.name).filter(isName) }
        if !names.contains(limits) {
            let advice = names.isEmpty ? "define it in limits" : advice(for: limits, among: names)
            diagnostics.error(at: name.location, "unknown limits \(quoted(limits)): \(advice)")
        } else if let own = ObjectSchema<LimitsSection>.limits.keys.map(\.name).first(where: { written[$0] != nil }) {
            diagnostics.error(
                at: name.location,
                "the listener also has \(own): remove it, or write it in limits.\(limits)"
            )
        }
    }

    private func checkSharedLimits(_ written: YAMLNode, _ root: YAMLNode, _ diagnostics: inout Diagnostics) {
        guard case .mapping(let members) = written.content else { return }
        for limits in limits {
            guard let place = written[limits.name]?["limits-dry-run"] else { continue }
            var policy = AccessPolicy()
            policy.share(limits)
            guard let warning = ConfigurationRules.dryRunWarning(policy) else { continue }
            diagnostics.within(limits.name) {
                $0.within("limits-dry-run") { $0.warning(at: place.location, warning) }
            }
        }
        guard root["listeners"] != nil else { return }
        let used = Set(listeners.compactMap(\.limits))
        // As for pools: a misspelled name is an error of the listener.
        guard used.isSubset(of: members.map(\.name)) else { return }
        for member in members where !used.contains(member.name) {
            diagnostics.within(member.name) {
                $0.warning(
                    at: member.location,
                    "no listener uses these limits: refer to them in a listener, or remove them"
                )
            }
        }
    }

    private func checkRoutes<Pattern>(
        _ routes: [RouteSection<Pattern>],
        in key: String,
        of listener: ListenerSection,
        _ written: YAMLNode,
        _ known: KnownPools,
        _ graph: ForwardingGraph,
        _ diagnostics: inout Diagnostics
    ) {
        guard let members = written[key]?.members else { return }
        diagnostics.within(key) { diagnostics in
            for route in routes {
                guard let written = members[route.written] else { continue }
                let name = written["pool"] ?? written
                diagnostics.within(route.written) { checkPool(route.pool, of: listener, name, known, graph, &$0) }
            }
        }
    }

    private func checkPool(
        _ pool: String,
        of listener: ListenerSection,
        _ written: YAMLNode,
        _ known: KnownPools,
        _ graph: ForwardingGraph,
        _ diagnostics: inout Diagnostics
    ) {
        // A pool with errors of its own still exists.
        guard !pool.isEmpty, let members = known.names else { return }
        guard members.contains(pool) else {
            let names = known.ordered.filter(isName)
            let advice = names.isEmpty ? "define it in pools" : advice(for: pool, among: names)
            diagnostics.error(at: written.location, "unknown pool \(quoted(pool)): \(advice)")
            return
        }
        if let loop = graph.loop(through: listener.name, to: pool) {
            diagnostics.error(at: written.location, "\(loop): change one of the addresses")
        }
    }

    private func checkCount(_ written: YAMLNode, _ diagnostics: inout Diagnostics) {
        let count = pools.reduce(0) { $0 + $1.servers.count }
        guard count > Self.maxServersInAll else { return }
        diagnostics.error(
            at: written.location,
            "too many servers in all pools: \(count), at most \(Self.maxServersInAll) are allowed"
        )
    }

    private func checkUse(_ written: YAMLNode, _ root: YAMLNode, _ diagnostics: inout Diagnostics) {
        guard case .mapping(let members) = written.content, root["listeners"] != nil else { return }
        let used = Set(
            listeners.flatMap(\.allPools)
        )
        // A pool whose name is misspelled in a listener is not unused; the listener reports that error.
        guard used.isSubset(of: members.map(\.name)) else { return }
        for member in members where !used.contains(member.name) {
            diagnostics.within(member.name) {
                $0.warning(at: member.location, "no listener uses this pool: refer to it in a listener, or remove it")
            }
        }
    }
}

extension ListenerSection {
    fileprivate func checkTimeouts(_ written: YAMLNode, _ diagnostics: inout Diagnostics) {
        if let warning = ConfigurationRules.jitterWarning(timeouts), let place = written["lifetime-jitter"] {
            diagnostics.within("lifetime-jitter") { $0.warning(at: place.location, warning) }
        }
        guard let warning = ConfigurationRules.deadlineWarning(timeouts) else { return }
        guard let key = written.firstWritten("connect-timeout", "connect-deadline") else { return }
        diagnostics.within(key.name) {
            $0.warning(at: key.value.location, warning)
        }
    }
}

extension YAMLNode {
    /// Returns the first of these keys that the file contains; nil if it contains none.
    func firstWritten(_ names: String...) -> (name: String, value: YAMLNode)? {
        for name in names {
            if let value = self[name] { return (name, value) }
        }
        return nil
    }

    /// Returns whether the node is the scalar with that text.
    func isScalar(_ word: String) -> Bool {
        if case .scalar(let scalar) = content { scalar.text == word } else { false }
    }

    /// Returns whether the node is this address in any notation; false if it is invalid and the entry has a default.
    func isScalar(_ address: ServiceAddress) -> Bool { isScalar(ServerAddress(address)) }

    func isScalar(_ address: ServerAddress) -> Bool {
        guard case .scalar(let scalar) = content, let written = try? ServerAddress(parsing: scalar.text) else {
            return false
        }
        return written == address
    }
}
