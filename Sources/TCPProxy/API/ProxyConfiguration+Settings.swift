package import Relay
package import ValueFormats

extension ProxyConfiguration {
    /// The definitions of the settings.
    package enum Settings {
        /// Maximum number of worker threads.
        static let maxThreads = WorkerSet.capacity

        /// Computed, because the processors available to the process may change.
        package static var threads: SettingDescriptor<Int> {
            .count("threads", in: 1...maxThreads, default: availableProcessors)
                .defaultText("one per processor, at most \(maxThreads)")
                .help("Number of worker threads.")
        }

        package static let maxConnections = SettingDescriptor.count(
            "max-connections",
            in: .connections,
            unset: "derived from the descriptor limit"
        )
        .help("Maximum number of concurrent connections of all listeners. Others wait in the backlog.")

        package static let engine = SettingDescriptor.word("engine", default: RelayEngine.auto)
            .help("Relay method: `auto` copies small messages and splices larger ones.")

        package static let maxPipes = SettingDescriptor.count(
            "max-pipes",
            in: 0...4096,
            unset: "derived from the system's limits, at most 64"
        )
        .help(
            "Maximum number of pipes per worker thread that hold bytes for a slow receiver. When all are in use, "
                + "other directions copy."
        )

        package static let grace = SettingDescriptor.duration("grace", in: .anyDurationOrZero, default: .seconds(30))
            .help("Maximum time that existing connections may continue at shutdown.")

        package static let drainDelay = SettingDescriptor.duration(
            "drain-delay",
            in: .anyDurationOrZero,
            default: .zero
        )
        .help("Time for which new connections are still accepted at shutdown, while `/readyz` already fails.")

        package static let resolveInterval = SettingDescriptor.durationOrOff("resolve-interval", default: .seconds(30))
            .help("Interval at which host names of servers are resolved again; `off` resolves them once.")
    }
}
