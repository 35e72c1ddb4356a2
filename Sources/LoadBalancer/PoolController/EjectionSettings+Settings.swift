package import ValueFormats

extension EjectionSettings {
    /// The definitions of the settings.
    package enum Settings {
        package static let consecutiveFailures = SettingDescriptor<Int?>.orOff(
            "consecutive-failures",
            .count(1...10_000),
            default: 5
        )
        .help("Consecutive failed connection attempts after which a server is ejected.")

        package static let failureRate = SettingDescriptor<Int?>.orOff(
            "failure-rate",
            .percentage(1...100),
            default: 50
        )
        .help("Percentage of failed connection attempts at which a server is ejected.")

        package static let window = SettingDescriptor.duration("window", in: durations, default: .seconds(10))
            .help("Period in which the percentage is measured.")

        package static let minAttempts = SettingDescriptor.count("min-attempts", in: 1...1_000_000, default: 10)
            .help("Minimum number of connection attempts in the period for the percentage to apply.")

        package static let baseTime = SettingDescriptor.duration("base-time", in: durations, default: .seconds(10))
            .help(
                "Duration of the first ejection; each further one lasts twice as long, up to `max-time`. Each period "
                    + "of `max-time` without an ejection halves it again."
            )

        package static let maxTime = SettingDescriptor.duration("max-time", in: durations, default: .seconds(300))
            .help("Maximum duration of an ejection.")

        package static let maxPercent = SettingDescriptor.percentage("max-percent", in: 0...100, default: 50)
            .help(
                "Maximum percentage of the pool's servers that are ejected at the same time; unless it is `0%`, one "
                    + "server may always be ejected if the pool has another."
            )

        private static let durations = Duration.milliseconds(10)...(.seconds(24 * 3600))
    }
}
