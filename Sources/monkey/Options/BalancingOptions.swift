import ArgumentParser
import Balancing
import LoadBalancer
import Sockets
import TCPProxy

/// Options for server selection, health checks and ejection.
struct BalancingOptions: ReusedOptions {
    static let definition = Self(definition: ())

    init(definition: Void) {}

    @Option(PoolConfiguration.Settings.policy, named: "policy")
    var policy: BalancingPolicy

    @Option(PoolConfiguration.Settings.fastestBy, named: "choice")
    var fastestBy: PoolConfiguration.Latency

    @Option(PoolConfiguration.Settings.fastestTolerance)
    var fastestTolerance: DurationValue

    @Option(
        PoolSettings.Settings.check,
        .check,
        allowed:
            "`tcp`, `postgres`, `mysql`, `redis`, `redis:master`, `redis:replica`, `http` or `http:/path`, or `off`"
    )
    var check = CheckArgument.off

    @Option(HealthCheck.Settings.interval)
    var checkInterval: DurationValue?

    @Option(HealthCheck.Settings.timeout, .duration(HealthCheck.Settings.timeout.values.durations))
    var checkTimeout: DurationValue?

    @Option(HealthCheck.Settings.port)
    var checkPort: Int?

    @Option(HealthCheck.Settings.tls, .word(named: "choice"), allowed: "`on`, `off`")
    var checkTLS: CheckTLSSection.Use?

    @Option(HealthCheck.Settings.rise, .wholeNumber(HealthCheck.Settings.rise.values.numbers))
    var rise: Int?

    @Option(HealthCheck.Settings.fall, .wholeNumber(HealthCheck.Settings.fall.values.numbers))
    var fall: Int?

    @Flag(PoolSettings.Settings.ejection, inversion: .prefixedNo)
    var ejection: Bool

    @Option(PoolSettings.Settings.slowStart)
    var slowStart: Switchable<DurationValue>

    @Option(PoolConfiguration.Settings.queueLimit, .wholeNumber(PoolConfiguration.Settings.queueLimit.values.numbers))
    var queue: Int?

    @Option(PoolConfiguration.Settings.queueTimeout)
    var queueTimeout: Switchable<DurationValue>

    @Option(
        PoolConfiguration.Settings.retry,
        .wholeNumber(PoolConfiguration.Settings.retry.values.numbers),
        default: PoolConfiguration.Settings.retry.defaultValue
    )
    var retry: Switchable<Int>

    @Option(PoolSettings.Settings.onServerDown, named: "choice")
    var onServerDown: PoolSettings.OnServerDown

    @Option(PoolConfiguration.Settings.onAllDown, named: "choice")
    var onAllDown: PoolConfiguration.OnAllDown

    /// Whether the queue is configured, which has no effect without connection limits.
    var isQueueGiven: Bool { queue != nil }

    var queueLimit: Int { queue ?? PoolConfiguration.Settings.queueLimit.defaultValue }

    /// Rejects options of a health check if there is none.
    ///
    /// - Throws: `ValidationError`.
    func checkCheckOptions() throws {
        guard check.check == nil else { return }
        let given = [
            (HealthCheck.Settings.interval.option, checkInterval != nil),
            (HealthCheck.Settings.timeout.option, checkTimeout != nil),
            (HealthCheck.Settings.port.option, checkPort != nil), (HealthCheck.Settings.tls.option, checkTLS != nil),
            (HealthCheck.Settings.rise.option, rise != nil), (HealthCheck.Settings.fall.option, fall != nil),
        ]
        guard let option = given.first(where: \.1)?.0 else { return }
        throw ValidationError("--\(option) has no effect without --check: add --check tcp or another check")
    }

    /// A warning about options of the policy `fastest` with another policy.
    var latencyWarning: String? {
        typealias Settings = PoolConfiguration.Settings
        guard policy != .fastest else { return nil }
        let given = [
            (Settings.fastestBy.option, fastestBy != Settings.fastestBy.defaultValue),
            (Settings.fastestTolerance.option, fastestTolerance.duration != Settings.fastestTolerance.defaultValue),
        ]
        return given.first(where: \.1).map { option, _ in
            "--\(option) has no effect with --policy \(policy.rawValue): add --policy fastest"
        }
    }

    func pool(named name: String, servers: [ServerConfiguration]) -> PoolConfiguration {
        var pool = PoolConfiguration(name: name, policy: policy, servers: servers)
        pool.fastestBy = fastestBy
        pool.fastestTolerance = fastestTolerance.duration
        pool.queueLimit = queueLimit
        pool.queueTimeout = queueTimeout.value?.duration
        pool.onAllDown = onAllDown
        pool.retry = retry.value
        return pool
    }

    var settings: PoolSettings {
        var settings = PoolSettings()
        settings.check = check.check.map { check in
            HealthCheck(
                check,
                port: checkPort.map { UInt16($0) },
                tls: checkTLS.map { $0 == .on ? .on : .off },
                interval: checkInterval?.duration,
                timeout: checkTimeout?.duration,
                rise: rise,
                fall: fall
            )
        }
        if ejection {
            settings.ejection?.failureRate = nil
        } else {
            settings.ejection = nil
        }
        settings.slowStart = slowStart.value?.duration
        settings.onServerDown = onServerDown
        return settings
    }
}

/// The value of `--check`.
enum CheckArgument: Sendable, Equatable, CustomStringConvertible {
    case off
    case on(HealthCheckKind, written: String)

    init(parsing text: String) throws {
        switch text {
        case "off": self = .off
        case "tcp": self = .on(.tcp, written: text)
        case "postgres": self = .on(.postgres(user: HealthCheckKind.defaultUser), written: text)
        case "mysql": self = .on(.mysql(user: HealthCheckKind.defaultUser), written: text)
        case "redis": self = .on(.redis, written: text)
        case "redis:master": self = .on(.redisRole(.master), written: text)
        case "redis:replica": self = .on(.redisRole(.replica), written: text)
        case "http": self = .on(.http(HTTPHealthCheck()), written: text)
        case _ where text.hasPrefix("http:/"):
            let check = HealthCheckKind.http(HTTPHealthCheck(path: String(text.dropFirst("http:".count))))
            try check.validate()
            self = .on(check, written: text)
        default:
            throw CommandError(
                "write tcp, postgres, mysql, redis, redis:master, redis:replica, http, http:/path or off"
            )
        }
    }

    var check: HealthCheckKind? {
        if case .on(let check, _) = self { check } else { nil }
    }

    var description: String {
        switch self {
        case .off: "off"
        case .on(_, let written): written
        }
    }
}

extension ValueReader where Value == CheckArgument {
    static var check: Self { Self(name: "check") { text in try CheckArgument(parsing: text) } }
}
