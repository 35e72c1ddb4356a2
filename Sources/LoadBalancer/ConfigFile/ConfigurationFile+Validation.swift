import Sockets
import TCPProxy

// Validation that involves more than one value.

extension ConfigurationFile {
    func validate(_ root: YAMLNode, _ diagnostics: inout Diagnostics) {
        if let written = root["listeners"] {
            diagnostics.within("listeners") { checkListeners(written, root, &$0) }
        }
        if let written = root["pools"] {
            diagnostics.within("pools") { diagnostics in
                for pool in pools {
                    guard let written = written[pool.name] else { continue }
                    diagnostics.within(pool.name) { pool.check(written, &$0) }
                }
                checkUse(written, root, &diagnostics)
            }
        }
    }

    // MARK: - Listeners

    private func checkListeners(_ written: YAMLNode, _ root: YAMLNode, _ diagnostics: inout Diagnostics) {
        // Values that could not be parsed are not checked: the error is already reported, and the entry has the
        // default.
        var taken: [(address: ServiceAddress, owner: String)] = []
        if let admin, admin.port != 0 { taken.append((admin, "admin")) }
        for listener in listeners {
            guard let written = written[listener.name] else { continue }
            diagnostics.within(listener.name) { diagnostics in
                listener.checkDeadlines(written, &diagnostics)
                if let name = written["pool"] {
                    diagnostics.within("pool") { checkPool(listener.pool, of: listener, name, root, &$0) }
                }
                checkRoutes(listener.sniPatterns, in: "sni", of: listener, written, root, &diagnostics)
                checkRoutes(
                    listener.alpnProtocols,
                    in: "alpn",
                    of: listener,
                    written,
                    root,
                    &diagnostics
                )
                listener.checkEntrance(written, &diagnostics)
                guard let place = written["listen"], place.isScalar(listener.listen) else { return }
                diagnostics.within("listen") { diagnostics in
                    guard let other = taken.first(where: { $0.address.collides(with: listener.listen) }) else { return }
                    diagnostics.error(
                        at: place.location,
                        other.address == listener.listen
                            ? "\(other.address) is already used by \(other.owner): choose another address or port"
                            : "conflicts with \(other.address) of \(other.owner), as one of them binds all interfaces: "
                                + "choose another port"
                    )
                }
                taken.append((listener.listen, "listeners.\(listener.name)"))
            }
        }
    }

    private func checkRoutes<Pattern>(
        _ routes: [RouteSection<Pattern>],
        in key: String,
        of listener: ListenerSection,
        _ written: YAMLNode,
        _ root: YAMLNode,
        _ diagnostics: inout Diagnostics
    ) {
        guard let written = written[key] else { return }
        diagnostics.within(key) { diagnostics in
            for route in routes {
                guard let name = written[route.written] else { continue }
                diagnostics.within(route.written) { checkPool(route.pool, of: listener, name, root, &$0) }
            }
        }
    }

    private func checkPool(
        _ pool: String,
        of listener: ListenerSection,
        _ written: YAMLNode,
        _ root: YAMLNode,
        _ diagnostics: inout Diagnostics
    ) {
        // A pool with errors of its own still exists.
        guard !pool.isEmpty, case .mapping(let members) = root["pools"]?.content else { return }
        guard members.contains(where: { $0.name == pool }) else {
            let names = members.map(\.name).filter(isName)
            let advice = names.isEmpty ? "define it in pools" : advice(for: pool, among: names)
            diagnostics.error(at: written.location, "unknown pool \(quoted(pool)): \(advice)")
            return
        }
        let servers = pools.first { $0.name == pool }?.servers ?? []
        if listener.listen.port != 0, servers.contains(where: { $0.address == ServerAddress(listener.listen) }) {
            diagnostics.error(
                at: written.location,
                "server \(listener.listen) of pool \(pool) is this listener, so it would connect to itself: "
                    + "change one of the addresses"
            )
        }
    }

    private func checkUse(_ written: YAMLNode, _ root: YAMLNode, _ diagnostics: inout Diagnostics) {
        guard case .mapping(let members) = written.content, root["listeners"] != nil else { return }
        let used = Set(
            listeners.flatMap { [$0.pool] + $0.sniPatterns.map(\.pool) + $0.alpnProtocols.map(\.pool) }
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
    fileprivate func checkDeadlines(_ written: YAMLNode, _ diagnostics: inout Diagnostics) {
        guard let attempt = timeouts.connectAttempt, let all = timeouts.connect, attempt > all else { return }
        guard let key = written.firstWritten("connect-timeout", "connect-deadline") else { return }
        diagnostics.within(key.name) {
            $0.warning(
                at: key.value.location,
                "connect-timeout is longer than connect-deadline, which expires first: shorten connect-timeout"
            )
        }
    }
}

extension ListenerSection {
    fileprivate func checkEntrance(_ written: YAMLNode, _ diagnostics: inout Diagnostics) {
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
        if let written = written["queue"], case .mapping = written.content, queue.limit > 0, !servers.isEmpty,
            servers.allSatisfy({ $0.maxConnections == nil })
        {
            diagnostics.within("queue") {
                $0.warning(
                    at: written.location,
                    "queue has no effect because no server in this pool sets max-connections: "
                        + "set it on a server, or remove queue"
                )
            }
        }
    }

    private func checkServers(_ written: YAMLNode, _ diagnostics: inout Diagnostics) {
        var names: [String: Int] = [:]
        var addresses: [ServerAddress: Int] = [:]
        for (index, server) in servers.enumerated() {
            guard let written = written[index] else { continue }
            let place = written["address"] ?? written
            let isRead = place.isScalar(server.address)
            diagnostics.within(index) { diagnostics in
                if isRead, let line = addresses[server.address] {
                    diagnostics.error(
                        at: place.location,
                        "duplicate server \(server.address), first defined on line \(line): "
                            + "keep one, with a weight if it should get more connections"
                    )
                } else if server.address.isService, let place = written["weight"] {
                    diagnostics.within("weight") {
                        $0.error(at: place.location, "weights come from the SRV records of the service: remove weight")
                    }
                } else if isRead || written["name"] != nil, let line = names[server.name] {
                    diagnostics.error(
                        at: (written["name"] ?? place).location,
                        "duplicate server name \(server.name), first used on line \(line): choose another name"
                    )
                }
            }
            if isRead { addresses[server.address] = addresses[server.address] ?? place.location.line }
            if isRead || written["name"] != nil { names[server.name] = names[server.name] ?? place.location.line }
        }
        guard !servers.isEmpty else { return }
        if servers.allSatisfy(\.backup) {
            diagnostics.error(
                at: written.location,
                "every server is a backup: remove backup from at least one"
            )
        } else if servers.allSatisfy({ $0.weight == 0 }) {
            diagnostics.error(
                at: written.location,
                "every server has weight 0, so none gets connections: set at least one to 1 or more"
            )
        }
    }
}

extension HealthCheckSection {
    fileprivate func check(_ written: YAMLNode, _ diagnostics: inout Diagnostics) {
        guard case .mapping(let members) = written.content, written["type"]?.isScalar(type.rawValue) == true else {
            return
        }
        for member in members {
            guard let owner = ObjectSchema<HealthCheckSection>.types[member.name], owner != type else { continue }
            diagnostics.within(member.name) {
                $0.error(
                    at: member.location,
                    "unknown key in a check of type \(type.rawValue): remove it, or set type: \(owner.rawValue)"
                )
            }
        }
        if type == .sendExpect, written["expect"] == nil {
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
        if timeout > interval, let key = written.firstWritten("timeout", "interval") {
            diagnostics.within(key.name) {
                $0.warning(
                    at: key.value.location,
                    "timeout is longer than interval, so an unresponsive server is checked less often: shorten timeout"
                )
            }
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

extension ServiceAddress {
    /// Returns whether two listeners with these addresses would conflict.
    fileprivate func collides(with other: ServiceAddress) -> Bool {
        guard port != 0 else { return false }
        if self == other { return true }
        guard case .socket(.internet(let mine)) = self, case .socket(.internet(let others)) = other,
            mine.port == others.port
        else { return false }
        return mine.covers(others) || others.covers(mine)
    }
}

extension InternetAddress {
    /// Returns whether this is a wildcard address that includes the other address.
    fileprivate func covers(_ other: InternetAddress) -> Bool {
        // `::` also includes IPv4: listeners are dual-stack.
        if high == 0, low == 0 { return true }
        return isIPv4 && low == 0xFFFF_0000_0000 && other.isIPv4
    }
}
