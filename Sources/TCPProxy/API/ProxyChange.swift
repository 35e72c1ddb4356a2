/// Difference between two configurations of listeners and pools, for display.
public struct ProxyChange: Sendable, Equatable {
    /// Changed items: listeners first, then pools, each followed by its servers.
    public var items: [Item] = []

    /// Listener, pool or server that was added, removed or changed.
    public struct Item: Sendable, Equatable {
        /// The listener, pool or server that changed.
        public var what: What
        /// How it changed.
        public var how: How
        /// Number of its open connections, which stay open.
        public var connections: Int

        /// Creates an item.
        public init(_ what: What, _ how: How, connections: Int = 0) {
            self.what = what
            self.how = how
            self.connections = connections
        }
    }

    /// What changed; the values are names.
    public enum What: Sendable, Equatable {
        /// A listener.
        case listener(String)
        /// A pool.
        case pool(String)
        /// A server of a pool.
        case server(String, pool: String)
    }

    /// How a listener, pool or server changed.
    public enum How: String, Sendable, Equatable {
        /// It is new.
        case added
        /// It no longer exists.
        case removed
        /// Its configuration is different.
        case changed
    }

    /// Creates a change without items.
    public init() {}

    /// Number of open connections whose listener or server was removed or changed.
    public var connectionsAffected: Int {
        // A connection has both a listener and a server, so the sums must not be added.
        let byListener = items.reduce(0) { sum, item in
            if case .listener = item.what { sum + item.connections } else { sum }
        }
        let byServer = items.reduce(0) { sum, item in
            if case .server = item.what { sum + item.connections } else { sum }
        }
        return max(byListener, byServer)
    }
}

extension ProxyChange {
    init(
        pools: (before: [PoolRegistry.Entry], after: [PoolRegistry.Entry]),
        listeners: (before: [ListenerRegistry.Entry], draft: ListenerRegistry.Draft),
        in core: ProxyRuntime
    ) {
        compare(listeners.draft, before: listeners.before, in: core)
        compare(pools.before, pools.after)
    }

    private mutating func compare(
        _ draft: ListenerRegistry.Draft,
        before: [ListenerRegistry.Entry],
        in core: ProxyRuntime
    ) {
        func connections(_ entry: ListenerRegistry.Entry) -> Int {
            let figures = core.listeners.figures(of: entry)
            return figures[.opened] - figures[.closed]
        }
        for entry in draft.closed {
            items.append(Item(.listener(entry.plan.name), .removed, connections: connections(entry)))
        }
        for (plan, step) in draft.steps {
            switch step {
            case .kept(let entry) where entry.plan.name == plan.name: continue
            case .kept(let entry), .moved(let entry, _):
                items.append(Item(.listener(plan.name), .changed, connections: connections(entry)))
            case .opened, .adopted:
                items.append(Item(.listener(plan.name), .added))
            }
        }
    }

    private mutating func compare(_ before: [PoolRegistry.Entry], _ after: [PoolRegistry.Entry]) {
        let kept = Set(after.map(\.number))
        let former = Dictionary(before.map { ($0.number, $0) }) { first, _ in first }
        for entry in before where !kept.contains(entry.number) {
            items.append(Item(.pool(entry.configuration.name), .removed))
            for server in entry.servers { add(server, of: entry, .removed) }
        }
        for entry in after {
            guard let old = former[entry.number] else {
                items.append(Item(.pool(entry.configuration.name), .added))
                for server in entry.servers { add(server, of: entry, .added) }
                continue
            }
            var (then, now) = (old.configuration, entry.configuration)
            (then.servers, now.servers) = ([], [])
            if then != now { items.append(Item(.pool(now.name), .changed)) }
            let known = Dictionary(uniqueKeysWithValues: old.servers.map { ($0.serial, $0.configuration) })
            let left = Set(entry.servers.map(\.serial))
            for server in old.servers where !left.contains(server.serial) { add(server, of: old, .removed) }
            for server in entry.servers {
                guard let then = known[server.serial] else {
                    add(server, of: entry, .added)
                    continue
                }
                if then != server.configuration { add(server, of: entry, .changed) }
            }
        }
    }

    private mutating func add(_ server: PoolRegistry.Server, of pool: PoolRegistry.Entry, _ how: How) {
        items.append(
            Item(
                .server(server.configuration.name, pool: pool.configuration.name),
                how,
                connections: server.share.connections
            )
        )
    }
}
