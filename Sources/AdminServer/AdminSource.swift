public import TCPProxy

/// What the endpoint tells about: all of a proxy that it sees.
public protocol AdminSource: Sendable {
    /// The figures as they are now.
    func snapshot() -> MetricsSnapshot

    /// What each client has done, running connections included.
    func clients() async -> ClientsSnapshot

    /// The figures of each listener and pool; nil where there are no pools, but one upstream.
    func pools() -> (listeners: [ListenerSnapshot], pools: [PoolSnapshot])?

    /// Whether new connections are welcome: false before the proxy runs, and from the moment it drains.
    var isReady: Bool { get }
}

extension AdminSource {
    public func pools() -> (listeners: [ListenerSnapshot], pools: [PoolSnapshot])? { nil }
}

extension Proxy: AdminSource {
    public func pools() -> (listeners: [ListenerSnapshot], pools: [PoolSnapshot])? {
        upstream == nil ? (listenerSnapshots(), poolSnapshots()) : nil
    }
}
