import Balancing
import Sockets
import TCPProxy

// Validation of pools, their servers, checks and ejection.

extension PoolSection {
    func check(_ written: YAMLNode, _ diagnostics: inout Diagnostics) {
        if let written = written["servers"] {
            diagnostics.within("servers") { checkServers(written, &$0) }
        }
        if let check, let written = written["check"] {
            diagnostics.within("check") { check.check(written, &$0) }
        }
        checkProtocol(written, &diagnostics)
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

    /// The ALPN protocol of PostgreSQL servers that TLS is not requested from.
    private static let directTLS = "postgresql"

    /// Checks that a check begins TLS in the same way as connections do.
    private func checkProtocol(_ written: YAMLNode, _ diagnostics: inout Diagnostics) {
        guard let tls, let check, let place = written["check"], case .mapping = place.content, check.usesTLSOfPool
        else { return }
        diagnostics.within("check") { diagnostics in
            switch (connectionProtocol, check.type) {
            case (.postgres, .postgres):
                break
            case (.postgres, let type):
                diagnostics.error(
                    at: place.location,
                    "a check of type \(type.rawValue) begins with TLS, which a PostgreSQL server expects to be requested: "
                        + "set type: postgres, or tls: off"
                )
            case (.tcp, .postgres) where !tls.alpn.contains(where: { $0.name == Self.directTLS }):
                diagnostics.warning(
                    at: place.location,
                    "the check requests TLS from the server, and connections do not: add protocol: postgres to the pool"
                )
            case (.tcp, _):
                break
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
    /// Whether the check uses TLS because the pool does, or with settings of its own.
    fileprivate var usesTLSOfPool: Bool {
        switch tls {
        case nil: port == nil
        case .word(.on), .settings: true
        case .word(.off): false
        }
    }

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
