package import TCPProxy

extension HealthCheck {
    /// The definitions of the settings.
    package enum Settings {
        package static let interval = SettingDescriptor(
            "interval",
            option: "check-interval",
            durations,
            default: Duration.seconds(2),
            help: "Interval between two checks of a server."
        )

        package static let timeout = SettingDescriptor(
            "timeout",
            option: "check-timeout",
            durations,
            default: Duration.seconds(1),
            help: "Timeout for connection and response of a check together."
        )

        package static let rise = SettingDescriptor(
            "rise",
            .count(1...1000),
            default: 2,
            help: "Consecutive passed checks that bring a server up."
        )

        package static let fall = SettingDescriptor(
            "fall",
            .count(1...1000),
            default: 3,
            help: "Consecutive failed checks that bring a server down."
        )

        package static let port = SettingDescriptor<Int?>(
            "port",
            option: "check-port",
            .count(1...65_535),
            default: nil,
            describedAs: "the port of the server",
            help: "Port that the check connects to."
        )

        private static let durations = SettingValues.duration(shortestInterval...(.seconds(24 * 3600)))
    }
}
