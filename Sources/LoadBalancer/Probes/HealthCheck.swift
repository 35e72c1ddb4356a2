public import Balancing
import Sockets

/// How and how often a server is checked, and what the results amount to.
public struct HealthCheck: Hashable, Sendable {
    public var check: Check
    /// Where the check goes instead of to the server's own port. A Unix socket has none.
    public var port: UInt16?
    /// Sent before the check's own bytes, such as a PROXY protocol header where the server demands one.
    public var preamble: [UInt8]
    /// From the beginning of one check to that of the next. A check that takes longer is followed at once.
    public var interval: Duration
    /// By which share of itself an interval may be shorter or longer, so that checks do not come in step; 0 to 1.
    public var jitter: Double
    /// For each check.
    public var timeout: Duration
    /// So many passes in a row bring a server up that is down.
    public var rise: Int
    /// So many failures in a row bring a server down that is up.
    public var fall: Int
    /// The state before the first result.
    public var initially: HealthCounter.State

    /// The shortest interval that is kept: each check costs the server a connection.
    public static let shortestInterval = Duration.milliseconds(10)

    public init(
        _ check: Check = .tcp,
        port: UInt16? = nil,
        preamble: [UInt8] = [],
        interval: Duration = .seconds(2),
        jitter: Double = 0.1,
        timeout: Duration = .seconds(1),
        rise: Int = 2,
        fall: Int = 3,
        initially: HealthCounter.State = .unknown
    ) {
        self.check = check
        self.port = port
        self.preamble = preamble
        self.interval = interval
        self.jitter = jitter
        self.timeout = timeout
        self.rise = rise
        self.fall = fall
        self.initially = initially
    }

    /// Where a server's checks go.
    func target(of server: SocketAddress) -> SocketAddress {
        guard let port, case .internet(var address) = server else { return server }
        address.port = port
        return .internet(address)
    }

    /// An interval with its jitter.
    func nextInterval(using numbers: inout some RandomNumberGenerator) -> Duration {
        let spread = jitter.isFinite ? min(max(jitter, 0), 1) : 0
        return max(Self.shortestInterval, interval * Double.random(in: (1 - spread)...(1 + spread), using: &numbers))
    }
}

/// What a check has found.
public struct HealthReport<ServerID: Hashable & Sendable>: Sendable {
    public let server: ServerID
    public let result: Result<Duration, ProbeFailure>
    /// Up or down, with this result counted in.
    public let state: HealthCounter.State
    /// Whether this result has changed the state.
    public let isChange: Bool
    /// Results of this kind in a row, this one included.
    public let inARow: Int
}

extension HealthReport {
    /// What speaks for the state, as the end of a sentence: "3 checks in a row failed, the last: connection refused".
    public var cause: String {
        let count = inARow == 1 ? "the check" : "\(inARow) checks in a row"
        return switch result {
        case .success: "\(count) passed"
        case .failure(let failure):
            inARow == 1 ? "\(count) failed: \(failure)" : "\(count) failed, the last: \(failure)"
        }
    }
}
