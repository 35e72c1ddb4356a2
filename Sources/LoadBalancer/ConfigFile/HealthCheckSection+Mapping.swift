import Balancing

extension HealthCheckSection {
    /// The check to perform.
    package var check: HealthCheckKind {
        switch type {
        case .tcp: .tcp
        case .sendExpect where steps.isEmpty: .sendExpect(send: Array(send.utf8), expect: Array(expect.utf8))
        case .sendExpect:
            .sendExpect(steps.map { HealthCheckKind.Step(send: Array($0.send.utf8), expect: Array($0.expect.utf8)) })
        case .http: .http(HTTPHealthCheck(path: path, host: host, expected: status))
        case .postgres: .postgres(user: user)
        case .mysql: .mysql(user: user)
        case .redis: role.map { .redisRole($0) } ?? .redis
        }
    }
}

extension HealthCheck {
    /// Creates the health check settings from a configuration file entry.
    package init(_ entry: HealthCheckSection) {
        self.init(
            entry.check,
            port: entry.port.flatMap(UInt16.init(exactly:)),
            tls: entry.tls.flatMap(\.use),
            interval: entry.interval,
            timeout: entry.timeout,
            rise: entry.rise,
            fall: entry.fall,
            initially: entry.initial.state
        )
    }
}

extension HealthCheckSection.Initial {
    fileprivate var state: HealthCounter.State {
        switch self {
        case .up: .up
        case .down: .down
        case .unknown: .unknown
        }
    }
}
