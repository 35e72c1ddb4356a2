import ArgumentParser
import Balancing
import LoadBalancer
import Sockets
import TCPProxy

/// Options for server selection, health checks and ejection.
struct BalancingOptions: ParsableArguments {
    @Option(PoolConfiguration.Settings.policy, named: "policy")
    var policy: BalancingPolicy

    @Option(
        PoolSettings.Settings.check,
        .check,
        allowed: "`tcp`, `postgres`, `redis`, `http` or `http:/path`, or `off`"
    )
    var check = CheckArgument.off

    @Option(HealthCheck.Settings.interval)
    var checkInterval: DurationValue

    @Option(HealthCheck.Settings.timeout)
    var checkTimeout: DurationValue

    @Option(HealthCheck.Settings.port)
    var checkPort: Int?

    @Option(HealthCheck.Settings.rise)
    var rise: Int

    @Option(HealthCheck.Settings.fall)
    var fall: Int

    @Flag(PoolSettings.Settings.ejection, inversion: .prefixedNo)
    var ejection: Bool

    @Option(PoolSettings.Settings.slowStart)
    var slowStart: Switchable<DurationValue>

    @Option(PoolConfiguration.Settings.queueLimit)
    var queue: Int

    @Option(PoolConfiguration.Settings.queueTimeout)
    var queueTimeout: Switchable<DurationValue>

    @Option(PoolSettings.Settings.onServerDown, named: "choice")
    var onServerDown: PoolSettings.OnServerDown

    @Option(PoolConfiguration.Settings.onAllDown, named: "choice")
    var onAllDown: PoolConfiguration.OnAllDown

    @Option(ConfigurationFile.Settings.resolver, .nameServer)
    var resolver: InternetAddress?

    func pool(named name: String, servers: [ServerConfiguration]) -> PoolConfiguration {
        var pool = PoolConfiguration(name: name, policy: policy, servers: servers)
        pool.queueLimit = queue
        pool.queueTimeout = queueTimeout.value?.duration
        pool.onAllDown = onAllDown
        return pool
    }

    var settings: PoolSettings {
        var settings = PoolSettings()
        settings.check = check.check.map { check in
            HealthCheck(
                check,
                port: checkPort.map { UInt16($0) },
                interval: checkInterval.duration,
                timeout: checkTimeout.duration,
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
        case "redis": self = .on(.redis, written: text)
        case "http": self = .on(.http(HTTPHealthCheck()), written: text)
        case _ where text.hasPrefix("http:/"):
            let check = HealthCheckKind.http(HTTPHealthCheck(path: String(text.dropFirst("http:".count))))
            try check.validate()
            self = .on(check, written: text)
        default:
            throw CommandError("write tcp, postgres, redis, http, http:/path or off")
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

extension ValueReader where Value == InternetAddress {
    fileprivate static var nameServer: Self {
        Self(name: "ip:port") { text in try InternetAddress(nameServer: text) }
    }
}
