package import TCPProxy

extension PoolSettings {
    /// The definitions of the settings.
    package enum Settings {
        package static let check = SettingDescriptor<HealthCheck?>(
            "check",
            orOff: true,
            default: nil,
            help: "Health check of the servers."
        )

        package static let ejection = SettingDescriptor(
            "ejection",
            default: true,
            describedAs: "on, with the defaults below",
            help: "Ejection of servers to which connection attempts fail."
        )

        package static let slowStart = SettingDescriptor<Duration?>(
            "slow-start",
            .anyDuration,
            orOff: true,
            default: nil,
            help: "Time in which the weight of a server that came up grows to its full value."
        )

        package static let onServerDown = SettingDescriptor(
            "on-server-down",
            .words(OnServerDown.self),
            default: OnServerDown.keep,
            help: "Effect on existing connections when their server goes down: `close` resets them."
        )
    }
}
