package import ValueFormats

extension HealthCheck {
    /// The definitions of the settings.
    package enum Settings {
        package static let type = SettingDescriptor.word("type", default: HealthCheckSection.CheckType.tcp)
            .defaultText("required")
            .help("Type of the check.")

        package static let interval = SettingDescriptor.duration("interval", in: durations, default: .seconds(2))
            .option("check-interval")
            .help("Interval between two checks of a server.")

        /// nil is ``defaultTimeout(for:)``.
        package static let timeout = SettingDescriptor<Duration?>(
            "timeout",
            .duration(durations),
            unset: "`1s`, or the interval if that is shorter"
        )
        .option("check-timeout")
        .help("Timeout for connection and response of a check together.")

        package static let rise = SettingDescriptor.count("rise", in: 1...1000, default: 2)
            .help("Consecutive passed checks that bring a server up.")

        package static let fall = SettingDescriptor.count("fall", in: 1...1000, default: 3)
            .help("Consecutive failed checks that bring a server down.")

        package static let port = SettingDescriptor.count("port", in: 1...65_535, unset: "the port of the server")
            .option("check-port")
            .help("Port that the check connects to.")

        package static let initial = SettingDescriptor.word("initial", default: HealthCheckSection.Initial.unknown)
            .help("State of a server before its first result; `unknown` counts as up until the first result.")

        package static let tls = SettingDescriptor<CheckTLSSection?>(
            "tls",
            unset: "`on` if the pool has `tls` and the check no `port`"
        )
        .allowed("`on`, `off`, or a mapping with the [keys of TLS of a pool](#keys-of-tls-of-a-pool)")
        .option("check-tls")
        .help(
            "TLS of the check; `on` uses the settings of the pool, or the authorities of the system if the pool has none."
        )

        // MARK: Settings of one type of check

        package static let send = SettingDescriptor("send", .binaryText(0...4096), unset: "none")
            .help("`send-expect`: text to send; omit it if the server sends first.")

        package static let expect = SettingDescriptor(
            "expect",
            .binaryText(1...4096),
            unset: "required for `send-expect` without `steps`"
        )
        .help("`send-expect`: text that the response must contain.")

        package static let steps = SettingDescriptor<[StepSection]>("steps", unset: "none")
            .allowed("1 to \(HealthCheckKind.maxSteps) mappings with the keys below")
            .help(
                "`send-expect`: steps in place of `send` and `expect`. Each sends its text when the one before has "
                    + "received what it expects."
            )

        package static let path = SettingDescriptor("path", .visibleText(1...2048), default: HTTPHealthCheck().path)
            .help("`http`: path of the request, beginning with a slash.")

        package static let host = SettingDescriptor("host", .visibleText(1...253), default: HTTPHealthCheck().host)
            .help("`http`: value of the Host field.")

        package static let status = SettingDescriptor("status", default: HTTPHealthCheck().expected)
            .allowed(
                "codes such as `200` and ranges such as `200-399`, within 100 to 599: one, several separated by "
                    + "commas, or a list of at most \(maxStatusRanges)"
            )
            .help("`http`: status codes that pass.")

        package static let user = SettingDescriptor(
            "user",
            .text(1...PostgreSQLHealthCheckExchange.maxUserLength),
            default: HealthCheckKind.defaultUser
        )
        .help("`postgres`, `mysql`: user name that the check sends. It needs no account on the server.")

        package static let role = SettingDescriptor<HealthCheckKind.RedisRole?>.word("role", unset: "any")
            .help("`redis`: role that the server must have. A server that requires a password does not report it.")

        /// Returns the timeout if none is set: with a longer one than the interval, a server that does not answer would
        /// be checked less often.
        package static func defaultTimeout(for interval: Duration) -> Duration { min(.seconds(1), interval) }

        private static let durations = HealthCheck.minInterval...(.seconds(24 * 3600))
    }

    /// The definitions of the settings of a step of a `send-expect` check.
    package enum StepSettings {
        package static let send = SettingDescriptor("send", .binaryText(0...4096), unset: "none")
            .help("Text to send; omit it if the server sends without being asked.")

        package static let expect = SettingDescriptor("expect", .binaryText(1...4096), unset: "required")
            .help("Text that the response must contain, after the text that the step before expects.")
    }

    /// Maximum number of ranges of status codes.
    static let maxStatusRanges = 32
}
