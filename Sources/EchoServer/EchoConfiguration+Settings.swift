package import ValueFormats

extension EchoServer.Configuration {
    /// The definitions of the settings.
    package enum Settings {
        package static let threads = SettingDescriptor.count("threads", in: 1...256, default: 1)
            .help("Number of worker threads.")

        package static let backlog = SettingDescriptor.count("backlog", in: 1...65_535, default: 4096)
            .help("Length of the accept queue of each worker thread, capped by the system's net.core.somaxconn.")

        package static let grace = SettingDescriptor.duration("grace", in: .anyDurationOrZero, default: .seconds(30))
            .help("Maximum time that existing connections may continue at shutdown.")

        // MARK: Behavior

        package static let requestSize = SettingDescriptor.size("request", in: messageSizes, default: 100)
            .help("Size of a request that `--respond` answers, whatever its content.")

        /// The library's default applies in mode `respond`, which the option selects.
        package static let responseSize = SettingDescriptor.size("respond", in: messageSizes, default: 4096)
            .defaultText("off")
            .help(
                "Size of the response to each request, from the pattern of `--source`. Requests are answered in "
                    + "order; see the option `--response-size` of `monkey load`."
            )

        package static let pace = SettingDescriptor<Int?>("pace", unset: "unlimited")
            .allowed("1 to \(maxPace) bytes per second, such as `1MB/s`")
            .help(
                "Maximum bytes per second sent on each connection, enforced by the kernel (SO_MAX_PACING_RATE). TCP "
                    + "only, and not with `--sink`."
            )

        package static let delay = SettingDescriptor<Duration?>(
            "delay",
            .duration(.zero...EchoServer.DelayDistribution.maxDelay),
            unset: "none"
        )
        .help("Delay of each response: never shorter, and at most 2 ms longer.")

        package static let delayDistribution = SettingDescriptor<EchoServer.DelayDistribution?>(
            "delay-distribution",
            unset: "constant"
        )
        .allowed("`constant`, `uniform`, `exponential`, or a list such as `1ms,5ms,20ms`")
        .help(
            "Distribution of delays: constant, uniform (up to twice `--delay`), exponential (with `--delay` as "
                + "the mean), or a list that each connection cycles through."
        )

        package static let chunk = SettingDescriptor.size("chunk", in: messageSizes, unset: "all available")
            .help("Maximum bytes per write.")

        package static let closeAfter = SettingDescriptor.size("close-after", in: 1...(1 << 50), unset: "never")
            .help("Number of bytes after which each connection is closed with a FIN.")

        package static let stall = SettingDescriptor<EchoServer.Stall?>("stall", unset: "none")
            .allowed("a length and a period from 1ms to 1h, such as `1s/10s`")
            .help("Stall at the end of each period, in which nothing is accepted, received or sent.")

        private static let messageSizes = 1...maxExchangeSize
    }
}
