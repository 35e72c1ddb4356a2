public import TCPProxy

/// The read-only view of a proxy that the endpoint reports on.
public protocol AdminSource: Sendable {
    /// Returns the current metrics.
    func snapshot() -> MetricsSnapshot

    /// Returns the statistics of each client, including its active connections.
    func clients() async -> ClientsSnapshot

    /// Returns the metrics of each listener and pool; nil for a proxy with a single upstream and no pools.
    func pools() -> (listeners: [ListenerSnapshot], pools: [PoolSnapshot])?

    /// Returns the certificates of each listener with TLS.
    func certificates() -> [CertificateSnapshot]

    /// Whether the proxy accepts new connections: false before the proxy runs and as soon as it drains.
    var isReady: Bool { get }
}

extension AdminSource {
    /// Returns nil: a source without pools.
    public func pools() -> (listeners: [ListenerSnapshot], pools: [PoolSnapshot])? { nil }

    /// Returns none: a source without TLS.
    public func certificates() -> [CertificateSnapshot] { [] }
}

extension Proxy: AdminSource {
    /// Returns the certificates of the proxy's listeners.
    public func certificates() -> [CertificateSnapshot] { certificateSnapshots() }

    /// Returns the proxy's listeners and pools.
    public func pools() -> (listeners: [ListenerSnapshot], pools: [PoolSnapshot])? {
        upstream == nil ? (listenerSnapshots(), poolSnapshots()) : nil
    }
}
