import Sockets
import TCPProxy

// Validation that involves more than one value.

extension ConfigurationFile {
    func checkTogether(_ root: WrittenNode, _ problems: inout Problems) {
        if let written = root["listeners"] {
            problems.within("listeners") { checkListeners(written, root, &$0) }
        }
        if let written = root["pools"] {
            problems.within("pools") { problems in
                for pool in pools {
                    guard let written = written[pool.name] else { continue }
                    problems.within(pool.name) { pool.check(written, &$0) }
                }
                checkUse(written, root, &problems)
            }
        }
    }

    // MARK: - Listeners

    private func checkListeners(_ written: WrittenNode, _ root: WrittenNode, _ problems: inout Problems) {
        // Values that could not be parsed are not checked: the error is already reported, and the entry has the
        // default.
        var taken: [(address: ServiceAddress, owner: String)] = []
        if let metrics, metrics.port != 0 { taken.append((metrics, "metrics")) }
        for listener in listeners {
            guard let written = written[listener.name] else { continue }
            problems.within(listener.name) { problems in
                listener.checkDeadlines(written, &problems)
                if let name = written["pool"] {
                    problems.within("pool") { checkPool(listener.pool, of: listener, name, root, &$0) }
                }
                checkRoutes(listener.serverNames, in: "server-names", of: listener, written, root, &problems)
                checkRoutes(
                    listener.applicationProtocols,
                    in: "application-protocols",
                    of: listener,
                    written,
                    root,
                    &problems
                )
                listener.checkEntrance(written, &problems)
                guard let place = written["listen"], place.says(listener.listen) else { return }
                problems.within("listen") { problems in
                    guard let other = taken.first(where: { $0.address.collides(with: listener.listen) }) else { return }
                    problems.error(
                        at: place.position,
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
        _ routes: [RouteEntry<Pattern>],
        in key: String,
        of listener: ListenerEntry,
        _ written: WrittenNode,
        _ root: WrittenNode,
        _ problems: inout Problems
    ) {
        guard let written = written[key] else { return }
        problems.within(key) { problems in
            for route in routes {
                guard let name = written[route.written] else { continue }
                problems.within(route.written) { checkPool(route.pool, of: listener, name, root, &$0) }
            }
        }
    }

    private func checkPool(
        _ pool: String,
        of listener: ListenerEntry,
        _ written: WrittenNode,
        _ root: WrittenNode,
        _ problems: inout Problems
    ) {
        // A pool with errors of its own still exists.
        guard !pool.isEmpty, case .mapping(let members) = root["pools"]?.content else { return }
        guard members.contains(where: { $0.name == pool }) else {
            let names = members.map(\.name).filter(isName)
            let advice = names.isEmpty ? "define it in pools" : advice(for: pool, among: names)
            problems.error(at: written.position, "unknown pool \(quoted(pool)): \(advice)")
            return
        }
        let servers = pools.first { $0.name == pool }?.servers ?? []
        if listener.listen.port != 0, servers.contains(where: { $0.address == ServerAddress(listener.listen) }) {
            problems.error(
                at: written.position,
                "server \(listener.listen) of pool \(pool) is this listener, so it would connect to itself: "
                    + "change one of the addresses"
            )
        }
    }

    private func checkUse(_ written: WrittenNode, _ root: WrittenNode, _ problems: inout Problems) {
        guard case .mapping(let members) = written.content, root["listeners"] != nil else { return }
        let used = Set(
            listeners.flatMap { [$0.pool] + $0.serverNames.map(\.pool) + $0.applicationProtocols.map(\.pool) }
        )
        // A pool whose name is misspelled in a listener is not unused; the listener reports that error.
        guard used.isSubset(of: members.map(\.name)) else { return }
        for member in members where !used.contains(member.name) {
            problems.within(member.name) {
                $0.warning(at: member.position, "no listener uses this pool: refer to it in a listener, or remove it")
            }
        }
    }
}

extension ListenerEntry {
    fileprivate func checkDeadlines(_ written: WrittenNode, _ problems: inout Problems) {
        guard let attempt = timeouts.connectAttempt, let all = timeouts.connect, attempt > all else { return }
        guard let place = written["connect-timeout"] ?? written["connect-deadline"] else { return }
        problems.within(written["connect-timeout"] == nil ? "connect-deadline" : "connect-timeout") {
            $0.warning(
                at: place.position,
                "connect-timeout is longer than connect-deadline, which expires first: shorten connect-timeout"
            )
        }
    }
}

extension ListenerEntry {
    fileprivate func checkEntrance(_ written: WrittenNode, _ problems: inout Problems) {
        if let place = written["deny"] {
            do throws(AccessListError) {
                _ = try AccessList(allow: allow, deny: deny)
            } catch {
                problems.within("deny") { $0.error(at: place.position, "\(error)") }
            }
        }
        if acceptProxy != nil, written["trust"] == nil, let place = written["accept-proxy"] {
            problems.error(
                at: place.position,
                "missing key trust: add the networks of the trusted proxies, such as trust: [10.0.0.0/8]"
            )
        }
        if acceptProxy != nil, let place = written["trust"], case .list(let items) = place.content, items.isEmpty {
            problems.within("trust") {
                $0.error(at: place.position, "no proxy is trusted: add networks of proxies, such as [10.0.0.0/8]")
            }
        }
        if let place = written["trust"], written["accept-proxy"] == nil {
            problems.within("trust") {
                $0.error(
                    at: place.position,
                    "no effect without accept-proxy: add accept-proxy: required, or optional"
                )
            }
        }
    }
}

extension PoolEntry {
    fileprivate func check(_ written: WrittenNode, _ problems: inout Problems) {
        if let written = written["servers"] {
            problems.within("servers") { checkServers(written, &$0) }
        }
        if let check, let written = written["check"] {
            problems.within("check") { check.check(written, &$0) }
        }
        if let ejection, let written = written["ejection"] {
            problems.within("ejection") { ejection.check(written, &$0) }
        }
        if let written = written["queue"], case .mapping = written.content, queue.limit > 0, !servers.isEmpty,
            servers.allSatisfy({ $0.maxConnections == nil })
        {
            problems.within("queue") {
                $0.warning(
                    at: written.position,
                    "queue has no effect because no server in this pool sets max-connections: "
                        + "set it on a server, or remove queue"
                )
            }
        }
    }

    private func checkServers(_ written: WrittenNode, _ problems: inout Problems) {
        var names: [String: Int] = [:]
        var addresses: [ServerAddress: Int] = [:]
        for (index, server) in servers.enumerated() {
            guard let written = written[index] else { continue }
            let place = written["address"] ?? written
            let isRead = place.says(server.address)
            problems.within(index) { problems in
                if isRead, let line = addresses[server.address] {
                    problems.error(
                        at: place.position,
                        "duplicate server \(server.address), first defined on line \(line): "
                            + "keep one, with a weight if it should get more connections"
                    )
                } else if server.address.isService, let place = written["weight"] {
                    problems.within("weight") {
                        $0.error(at: place.position, "weights come from the SRV records of the service: remove weight")
                    }
                } else if isRead || written["name"] != nil, let line = names[server.name] {
                    problems.error(
                        at: (written["name"] ?? place).position,
                        "duplicate server name \(server.name), first used on line \(line): choose another name"
                    )
                }
            }
            if isRead { addresses[server.address] = addresses[server.address] ?? place.position.line }
            if isRead || written["name"] != nil { names[server.name] = names[server.name] ?? place.position.line }
        }
        guard !servers.isEmpty else { return }
        if servers.allSatisfy(\.backup) {
            problems.error(
                at: written.position,
                "every server is a backup: remove backup from at least one"
            )
        } else if servers.allSatisfy({ $0.weight == 0 }) {
            problems.error(
                at: written.position,
                "every server has weight 0, so none gets connections: set at least one to 1 or more"
            )
        }
    }
}

extension CheckEntry {
    fileprivate func check(_ written: WrittenNode, _ problems: inout Problems) {
        guard case .mapping(let members) = written.content, written["type"]?.says(type.rawValue) == true else { return }
        for member in members {
            guard let owner = Section<CheckEntry>.types[member.name], owner != type else { continue }
            problems.within(member.name) {
                $0.error(
                    at: member.position,
                    "unknown key in a check of type \(type.rawValue): remove it, or set type: \(owner.rawValue)"
                )
            }
        }
        if type == .sendExpect, written["expect"] == nil {
            problems.error(
                at: written.position,
                "missing key expect: add the text that the response must contain, or set type: tcp"
            )
        }
        if type == .http, !path.hasPrefix("/"), let written = written["path"] {
            problems.within("path") {
                $0.error(at: written.position, "invalid path \(quoted(path)): must begin with a slash, such as /health")
            }
        }
        if timeout > interval, let place = written["timeout"] ?? written["interval"] {
            problems.within(written["timeout"] == nil ? "interval" : "timeout") {
                $0.warning(
                    at: place.position,
                    "timeout is longer than interval, so an unresponsive server is checked less often: shorten timeout"
                )
            }
        }
    }
}

extension EjectionEntry {
    fileprivate func check(_ written: WrittenNode, _ problems: inout Problems) {
        if longest < base, let place = written["longest"] ?? written["base"] {
            problems.within(written["longest"] == nil ? "base" : "longest") {
                $0.error(at: place.position, "longest is shorter than base: must be at least base")
            }
        }
        if consecutiveFailures == nil, failureShare == nil {
            problems.warning(
                at: written.position,
                "consecutive-failures and failure-share are both off, so no server is ever ejected: set ejection: off"
            )
        }
    }
}

extension WrittenNode {
    /// Returns whether the node is the scalar with that text.
    fileprivate func says(_ word: String) -> Bool {
        if case .scalar(let scalar) = content { scalar.text == word } else { false }
    }

    /// Returns whether the node is this address in any notation; false if it is invalid and the entry has a default.
    fileprivate func says(_ address: ServiceAddress) -> Bool { says(ServerAddress(address)) }

    fileprivate func says(_ address: ServerAddress) -> Bool {
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
