package import Relay

extension ProxyConfiguration {
    /// The definitions of the settings.
    package enum Settings {
        /// Computed, because the processors available to the process may change.
        package static var threads: SettingDescriptor<Int> {
            SettingDescriptor(
                "threads",
                .count(1...64),
                default: availableProcessors,
                describedAs: "one per processor, at most 64",
                help: "Number of worker threads."
            )
        }

        package static let maxConnections = SettingDescriptor<Int?>(
            "max-connections",
            .connections,
            default: nil,
            describedAs: "derived from the descriptor limit",
            help: "Maximum number of concurrent connections of all listeners. Others wait in the backlog."
        )

        package static let engine = SettingDescriptor(
            "engine",
            .words(RelayEngine.self),
            default: RelayEngine.auto,
            help: "Relay method: `auto` copies small messages and splices larger ones."
        )

        package static let maxPipes = SettingDescriptor<Int?>(
            "max-pipes",
            .count(0...4096),
            default: nil,
            describedAs: "derived from the system's limits, at most 64",
            help: "Maximum number of pipes per worker thread that hold bytes for a slow receiver. When all are in use, "
                + "other directions copy."
        )

        package static let grace = SettingDescriptor(
            "grace",
            .anyDurationOrZero,
            default: Duration.seconds(30),
            help: "Maximum time that existing connections may continue at shutdown."
        )

        package static let drainDelay = SettingDescriptor(
            "drain-delay",
            .anyDurationOrZero,
            default: Duration.zero,
            help: "Time for which new connections are still accepted at shutdown, while `/readyz` already fails."
        )

        package static let resolveInterval = SettingDescriptor<Duration?>(
            "resolve-interval",
            .anyDuration,
            orOff: true,
            default: .seconds(30),
            help: "Interval at which host names of servers are resolved again; `off` resolves them once."
        )
    }
}
