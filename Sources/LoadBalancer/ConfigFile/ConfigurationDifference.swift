import TCPProxy

/// Difference between two configuration files, by keys.
struct ConfigurationDifference: Equatable {
    /// Process-wide keys whose values differ; they take effect at the next start.
    var onRestart: [String] = []
    /// Whether the name server differs; the new one is used immediately.
    var hasOtherResolver = false
    /// Changed keys of listeners that are in both files, by listener name.
    var listeners: [String: [String]] = [:]
    /// Changed keys of shared limits that are in both files, by name.
    var limits: [String: [String]] = [:]
    /// Changed keys of pools that are in both files, by pool name; without `servers`.
    var pools: [String: [String]] = [:]

    init(from before: ConfigurationFile, to after: ConfigurationFile) {
        onRestart = ObjectSchema<ConfigurationFile>.root.keys(otherIn: after, than: before)
            .filter { !["include", "listeners", "pools", "limits", "resolver"].contains($0) }
        hasOtherResolver = before.resolver != after.resolver
        limits = Self.changes(.limits, before.limits, after.limits, \.name)
        listeners = Self.changes(.listener, before.listeners, after.listeners, \.name)
        pools = Self.changes(.pool, before.pools, after.pools, \.name).compactMapValues { keys in
            let keys = keys.filter { $0 != "servers" }
            return keys.isEmpty ? nil : keys
        }
    }

    private static func changes<Entry>(
        _ section: ObjectSchema<Entry>,
        _ before: [Entry],
        _ after: [Entry],
        _ name: (Entry) -> String
    ) -> [String: [String]] {
        var changes: [String: [String]] = [:]
        let former = Dictionary(before.map { (name($0), $0) }) { first, _ in first }
        for entry in after {
            guard let old = former[name(entry)] else { continue }
            let keys = section.keys(otherIn: entry, than: old)
            if !keys.isEmpty { changes[name(entry)] = keys }
        }
        return changes
    }

    /// Returns a line for each change, including the changes of listeners and servers that the proxy reports.
    func lines(with change: ProxyChange) -> [String] {
        var (listeners, pools) = (listeners, pools)
        var lines = change.items.map { item in
            switch item.what {
            case .listener(let name):
                "listener \(name) \(item.how.rawValue)\(Self.keys(listeners.removeValue(forKey: name)))\(item.effect)"
            case .pool(let name): "pool \(name) \(item.how.rawValue)\(Self.keys(pools.removeValue(forKey: name)))"
            case .server(let name, let pool): "server \(name) of pool \(pool) \(item.how.rawValue)\(item.effect)"
            }
        }
        // Changes that the proxy does not report, such as those of health checks.
        for (name, keys) in listeners.sorted(by: { $0.key < $1.key }) {
            lines.append("listener \(name) changed\(Self.keys(keys))")
        }
        for (name, keys) in pools.sorted(by: { $0.key < $1.key }) {
            lines.append("pool \(name) changed\(Self.keys(keys))")
        }
        for (name, keys) in limits.sorted(by: { $0.key < $1.key }) {
            lines.append("limits \(name) changed\(Self.keys(keys))")
        }
        if hasOtherResolver { lines.append("resolver changed") }
        lines += onRestart.map { "\($0) changed: takes effect after a restart" }
        return lines
    }

    private static func keys(_ keys: [String]?) -> String {
        guard let keys, !keys.isEmpty else { return "" }
        return " (\(keys.joined(separator: ", ")))"
    }
}

extension ProxyChange.Item {
    /// What happens to the item's connections.
    fileprivate var effect: String {
        if connections == 0 { return "" }
        let whose = connections == 1 ? "its connection continues" : "its \(connections) connections continue"
        return ": \(whose)"
    }
}
