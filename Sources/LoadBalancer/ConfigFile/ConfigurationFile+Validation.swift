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

extension PoolSection {
    fileprivate func check(_ written: YAMLNode, _ diagnostics: inout Diagnostics) {
        if let written = written["servers"] {
            diagnostics.within("servers") { checkServers(written, &$0) }
        }
        if let check, let written = written["check"] {
            diagnostics.within("check") { check.check(written, &$0) }
        }
        if let ejection, let written = written["ejection"] {
            diagnostics.within("ejection") { ejection.check(written, &$0) }
        }
        if let written = written["queue"], case .mapping = written.content,
            let warning = ConfigurationRules.queueWarning(limit: queue.limit, onAllDown, servers)
        {
            diagnostics.within("queue") { $0.warning(at: written.location, warning) }
        }
        if let warning = ConfigurationRules.disabledQueueWarning(limit: queue.limit, onAllDown),
            let written = written["on-all-down"]
        {
            diagnostics.within("on-all-down") { $0.warning(at: written.location, warning) }
        }
        if let warning = ConfigurationRules.slowStartWarning(slowStart, policy), let written = written["slow-start"] {
            diagnostics.within("slow-start") { $0.warning(at: written.location, warning) }
        }
        guard policy != .fastest else { return }
        for key in ["fastest-by", "fastest-tolerance"] {
            guard let written = written[key] else { continue }
            diagnostics.within(key) {
                $0.warning(at: written.location, "no effect with policy: \(policy.rawValue): set policy: fastest")
            }
        }
    }

    private func checkServers(_ written: YAMLNode, _ diagnostics: inout Diagnostics) {
        /// The node of an entry's address, if the entry has the address that it says: one that could not be parsed has
        /// the default.
        func place(_ index: Int) -> YAMLNode? {
            guard let entry = written[index] else { return nil }
            let place = entry["address"] ?? entry
            return place.isScalar(servers[index].address) ? place : nil
        }
        let parsed = servers.indices.map { index -> (address: ServerAddress?, name: String?) in
            let isNamed = written[index]?["name"] != nil
            let isRead = place(index) != nil
            return (isRead ? servers[index].address : nil, isRead || isNamed ? servers[index].name : nil)
        }
        for duplicate in ConfigurationRules.duplicates(in: parsed) {
            guard let entry = written[duplicate.index], let first = written[duplicate.first] else { continue }
            let named = if case .name = duplicate.problem { entry["name"] } else { YAMLNode?.none }
            let location = (named ?? entry["address"] ?? entry).location
            let place = (first["address"] ?? first).location.place(seenFrom: location)
            diagnostics.within(duplicate.index) { $0.error(at: location, duplicate.text(firstAt: place)) }
        }
        for (index, server) in servers.enumerated() where server.address.isService {
            guard let place = written[index]?["weight"] else { continue }
            diagnostics.within(index) {
                $0.within("weight") {
                    $0.error(at: place.location, "weights come from the SRV records of the service: remove weight")
                }
            }
        }
        if let problem = ConfigurationRules.unusableServers(servers) {
            diagnostics.error(at: written.location, problem)
        }
    }
}

extension HealthCheckSection {
    fileprivate func check(_ written: YAMLNode, _ diagnostics: inout Diagnostics) {
        guard case .mapping(let members) = written.content, written["type"]?.isScalar(type.rawValue) == true else {
            return
        }
        for member in members {
            guard let owners = ObjectSchema<HealthCheckSection>.types[member.name], !owners.contains(type) else {
                continue
            }
            let types = owners.map(\.rawValue).joined(separator: " or ")
            diagnostics.within(member.name) {
                $0.error(
                    at: member.location,
                    "unknown key in a check of type \(type.rawValue): remove it, or set type: \(types)"
                )
            }
        }
        if type == .sendExpect, written["steps"] != nil {
            if let key = written.firstWritten("send", "expect") {
                diagnostics.within(key.name) {
                    $0.error(at: key.value.location, "not allowed beside steps: make it the first of the steps")
                }
            }
        } else if type == .sendExpect, written["expect"] == nil {
            diagnostics.error(
                at: written.location,
                "missing key expect: add the text that the response must contain, or set type: tcp"
            )
        }
        if type == .http, !path.hasPrefix("/"), let written = written["path"] {
            diagnostics.within("path") {
                $0.error(at: written.location, "invalid path \(quoted(path)): must begin with a slash, such as /health")
            }
        }
        if let warning = ConfigurationRules.timeoutWarning(timeout, interval: interval),
            let written = written["timeout"]
        {
            diagnostics.within("timeout") { $0.warning(at: written.location, warning) }
        }
    }
}

extension EjectionSettings {
    fileprivate func check(_ written: YAMLNode, _ diagnostics: inout Diagnostics) {
        if maxTime < baseTime, let key = written.firstWritten("max-time", "base-time") {
            diagnostics.within(key.name) {
                $0.error(at: key.value.location, "max-time is shorter than base-time: must be at least base-time")
            }
        }
        if consecutiveFailures == nil, failureRate == nil {
            diagnostics.warning(
                at: written.location,
                "consecutive-failures and failure-rate are both off, so no server is ever ejected: set ejection: off"
            )
        }
    }
}

extension YAMLNode {
    /// Returns the first of these keys that the file contains; nil if it contains none.
    fileprivate func firstWritten(_ names: String...) -> (name: String, value: YAMLNode)? {
        for name in names {
            if let value = self[name] { return (name, value) }
        }
        return nil
    }

    /// Returns whether the node is the scalar with that text.
    fileprivate func isScalar(_ word: String) -> Bool {
        if case .scalar(let scalar) = content { scalar.text == word } else { false }
    }

    /// Returns whether the node is this address in any notation; false if it is invalid and the entry has a default.
    fileprivate func isScalar(_ address: ServiceAddress) -> Bool { isScalar(ServerAddress(address)) }

    fileprivate func isScalar(_ address: ServerAddress) -> Bool {
        guard case .scalar(let scalar) = content, let written = try? ServerAddress(parsing: scalar.text) else {
            return false
        }
        return written == address
    }
}
