import TCPProxy

/// What is otherwise in one configuration file than in another, by keys.
struct ConfigurationDifference: Equatable {
    /// Keys of the whole process whose values are others. They count at the next start.
    var atNextStart: [String] = []
    /// Other name servers are asked from now on.
    var hasOtherResolver = false
    /// Keys of listeners that are in both files, by the listeners' names.
    var listeners: [String: [String]] = [:]
    /// The same of pools, but for their servers.
    var pools: [String: [String]] = [:]

    init(from before: ConfigurationFile, to after: ConfigurationFile) {
        atNextStart = Section<ConfigurationFile>.root.keys(otherIn: after, than: before)
            .filter { !["listeners", "pools", "resolver"].contains($0) }
        hasOtherResolver = before.resolver != after.resolver
        listeners = Self.changes(.listener, before.listeners, after.listeners, \.name)
        pools = Self.changes(.pool, before.pools, after.pools, \.name).compactMapValues { keys in
            let keys = keys.filter { $0 != "servers" }
            return keys.isEmpty ? nil : keys
        }
    }

    private static func changes<Entry>(
        _ section: Section<Entry>,
        _ before: [Entry],
        _ after: [Entry],
        _ name: (Entry) -> String
    ) -> [String: [String]] {
        var changes: [String: [String]] = [:]
        for entry in after {
            guard let old = before.first(where: { name($0) == name(entry) }) else { continue }
            let keys = section.keys(otherIn: entry, than: old)
            if !keys.isEmpty { changes[name(entry)] = keys }
        }
        return changes
    }

    /// A line for each change, with what the proxy has found of listeners and servers.
    func lines(with change: ProxyChange) -> [String] {
        var (listeners, pools) = (listeners, pools)
        var lines = change.items.map { item in
            switch item.what {
            case .listener(let name):
                "listener \(name) \(item.how.rawValue)\(Self.keys(listeners.removeValue(forKey: name)))\(item.fate)"
            case .pool(let name): "pool \(name) \(item.how.rawValue)\(Self.keys(pools.removeValue(forKey: name)))"
            case .server(let name, let pool): "server \(name) of pool \(pool) \(item.how.rawValue)\(item.fate)"
            }
        }
        // What concerns checks, and not connections.
        for (name, keys) in listeners.sorted(by: { $0.key < $1.key }) {
            lines.append("listener \(name) changed\(Self.keys(keys))")
        }
        for (name, keys) in pools.sorted(by: { $0.key < $1.key }) {
            lines.append("pool \(name) changed\(Self.keys(keys))")
        }
        if hasOtherResolver { lines.append("resolver changed") }
        lines += atNextStart.map { "\($0) changed: it takes effect at the next start" }
        return lines
    }

    private static func keys(_ keys: [String]?) -> String {
        guard let keys, !keys.isEmpty else { return "" }
        return " (\(keys.joined(separator: ", ")))"
    }
}

extension ProxyChange.Item {
    /// What becomes of its connections.
    fileprivate var fate: String {
        if connections == 0 { return "" }
        let whose = connections == 1 ? "its connection goes on" : "its \(connections) connections go on"
        return ": \(whose)"
    }
}
