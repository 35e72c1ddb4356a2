public import Balancing
import Sockets
public import TCPProxy
import ValueFormats

/// Health check settings: what to send, how often, and how many results change the state.
public struct HealthCheck: Hashable, Sendable {
    /// What is sent and what must be received.
    public var check: HealthCheckKind
    /// Port to check instead of the server's own. Has no effect on a Unix socket.
    public var port: UInt16?
    /// Whether the check uses TLS; nil uses that of the pool, if it has any, unless ``port`` is set: another port is often
    /// that of another program.
    public var tls: TLSUse?
    /// Bytes to send before the check's own, such as a PROXY protocol header if the server requires one.
    public var preamble: [UInt8]
    /// Time from the start of one check to the start of the next. A check that takes longer is followed by the next
    /// after ``minInterval``.
    public var interval: Duration
    /// Maximum fraction by which an interval is shortened or extended, 0 to 1, so that checks do not synchronize.
    public var jitter: Double
    /// Timeout for one check.
    public var timeout: Duration
    /// Number of consecutive passes that bring a down server up.
    public var rise: Int
    /// Number of consecutive failures that bring an up server down.
    public var fall: Int
    /// State before the first result.
    public var initially: HealthCounter.State

    /// Whether a check uses TLS, and with which settings.
    public enum TLSUse: Hashable, Sendable {
        /// Without TLS.
        case off
        /// With the settings of the pool; if it has none, with the authorities of the system.
        case on
        /// With other settings than the pool's.
        case own(PoolTLS)
    }

    /// Lower bound of the interval, because each check costs the server a connection.
    public static let minInterval = Duration.milliseconds(10)

    /// Creates settings. A nil interval, rise or fall means 2 s, 2 or 3, and a nil timeout 1 s or the interval if that
    /// is shorter, as in the configuration file.
    public init(
        _ check: HealthCheckKind = .tcp,
        port: UInt16? = nil,
        tls: TLSUse? = nil,
        preamble: [UInt8] = [],
        interval: Duration? = nil,
        jitter: Double = 0.1,
        timeout: Duration? = nil,
        rise: Int? = nil,
        fall: Int? = nil,
        initially: HealthCounter.State = .unknown
    ) {
        self.check = check
        self.port = port
        self.tls = tls
        self.preamble = preamble
        self.interval = interval ?? Settings.interval.defaultValue
        self.jitter = jitter
        self.timeout = timeout ?? Settings.defaultTimeout(for: self.interval)
        self.rise = rise ?? Settings.rise.defaultValue
        self.fall = fall ?? Settings.fall.defaultValue
        self.initially = initially
    }

    /// Returns the address to check for a server.
    func target(of server: SocketAddress) -> SocketAddress {
        guard let port, case .internet(var address) = server else { return server }
        address.port = port
        return .internet(address)
    }

    /// Returns the TLS settings of the check, if they are not those of the pool.
    ///
    /// - Parameter poolHasTLS: whether the pool has TLS settings.
    func ownTLS(poolHasTLS: Bool) -> PoolTLS? {
        switch tls {
        case .own(let settings): settings
        case .on: poolHasTLS ? nil : PoolTLS(verification: .system)
        case .off, nil: nil
        }
    }

    /// Returns an interval with random jitter applied.
    func nextInterval(using numbers: inout some RandomNumberGenerator) -> Duration {
        let spread = jitter.isFinite ? min(max(jitter, 0), 1) : 0
        return max(Self.minInterval, interval * Double.random(in: (1 - spread)...(1 + spread), using: &numbers))
    }
}
