import ArgumentParser
import Balancing
import LoadBalancer
import TCPProxy

/// Options for server selection, health checks and ejection.
struct BalancingOptions: ParsableArguments {
    @Option(choice: "Policy that selects the server for a connection.", named: "policy")
    var policy: BalancingPolicy = .roundRobin

    @Option(
        help: ArgumentHelp(
            "Health check of servers: tcp, postgres, redis, http or http:/path; off disables it.",
            valueName: "check"
        ),
        transform: { try CheckArgument(parsing: $0) }
    )
    var check: CheckArgument = .off

    @Option(.duration(.milliseconds(10)...(.seconds(3600))), "Interval between two checks of a server.")
    var checkInterval = DurationValue(.seconds(2))

    @Option(.duration(.milliseconds(1)...(.seconds(3600))), "Timeout for each check.")
    var checkTimeout = DurationValue(.seconds(1))

    @Option(.wholeNumber(1...65_535), "Port that is checked. (default: the server's own)")
    var checkPort: Int?

    @Option(.wholeNumber(1...1000), "Consecutive successful checks before a server is marked up.")
    var rise = 2

    @Option(.wholeNumber(1...1000), "Consecutive failed checks before a server is marked down.")
    var fall = 3

    @Flag(inversion: .prefixedNo, help: "Temporarily eject servers to which connects fail.")
    var ejection = true

    @Option(.durationOrOff(), "Time in which a server that came up reaches its full share, or off.")
    var slowStart: Switchable<DurationValue> = .off

    @Option(
        .wholeNumber(0...1_000_000),
        "Maximum number of clients that wait while all servers have their maximum of connections."
    )
    var queue = 1000

    @Option(.durationOrOff(), "Maximum waiting time of such a client, or off.")
    var queueTimeout: Switchable<DurationValue> = .on(DurationValue(.seconds(5)))

    @Option(choice: "Action for the connections of a server that is marked down.", named: "choice")
    var onServerDown: PoolSettings.OnServerDown = .keep

    @Option(choice: "Action for new connections while all servers are down.", named: "choice")
    var onAllDown: PoolConfiguration.OnAllDown = .refuse

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
