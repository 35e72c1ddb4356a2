import ProcessSupport
public import Relay
import ValueFormats

/// Settings of a whole proxy: threads, limits and shutdown. The defaults suit most deployments.
///
/// ``Proxy`` validates them when it is bound and throws ``ProxyError/badSetting(name:value:allowed:)`` for the first
/// value out of range. ``ListenerConfiguration`` has the settings of each listener.
public struct ProxyConfiguration: Sendable {
    /// Number of worker threads, 1 to 256; by default one per processor available to the process.
    public var threads: Int = Settings.threads.defaultValue

    /// Maximum number of open connections over all workers, 1 to 1,000,000. Further connections wait in the accept
    /// queue. nil derives the maximum from the descriptor limit, which ``Proxy`` first raises to the hard limit.
    public var maxConnections: Int? = Settings.maxConnections.defaultValue

    /// Whether bytes are copied or spliced; `auto` decides per direction of each connection, based on its traffic.
    public var engine: RelayEngine = Settings.engine.defaultValue

    /// Maximum number of pipes per worker that hold bytes for slow receivers, 0 to 4,096; beyond it the worker copies.
    /// nil derives the maximum, at most 64, from the descriptor limit and the user's limit on pipe pages (pipe(7)).
    public var maxPipes: Int? = Settings.maxPipes.defaultValue

    /// How long a shutdown waits for open connections before it resets the remaining ones, at most one year.
    public var grace: Duration = Settings.grace.defaultValue

    /// How long a shutdown keeps accepting connections after ``Proxy/isReady`` has become false, at most one
    /// year.
    public var drainDelay: Duration = Settings.drainDelay.defaultValue

    /// Interval at which the host name of the upstream is resolved again, 1 ms to one year; nil resolves it only once.
    /// It has no effect on a proxy that is bound with pools, whose servers are addresses.
    public var resolveInterval: Duration? = Settings.resolveInterval.defaultValue

    /// Whether a record of each closed connection is kept until the access log of the product `LoadBalancer` takes it.
    public var recordsConnections = false

    /// Whether the process switches to an unprivileged user after ``Proxy/bind(listeners:pools:configuration:)``: the
    /// limits of the kernel on such users then apply.
    package var dropsPrivileges = false

    /// Creates settings with their defaults.
    public init() {}

    /// Number of processors that this process may run on (sched_getaffinity(2)), at most 256.
    public static var availableProcessors: Int {
        min(Processors.available, Settings.maxThreads)
    }
}
