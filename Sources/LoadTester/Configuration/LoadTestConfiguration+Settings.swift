import Sockets
package import ValueFormats

extension LoadTest.Configuration {
    /// The definitions of the settings.
    package enum Settings {
        // MARK: Workload

        package static let requestSize = SettingDescriptor.size(
            "size",
            in: 0...maxMessageSize,
            unset: "64; 100 with `--response-size`; 128KiB in bulk modes"
        )
        .help(
            "Size of a request; of a chunk in bulk modes. 0 sends nothing in the modes connect and hold, and is "
                + "not allowed in others."
        )

        package static let responseSize = SettingDescriptor.size("response-size", in: 1...maxMessageSize, unset: "none")
            .help("Size of a response that is not an echo, such as `monkey echo --respond` sends.")

        package static let chunk = SettingDescriptor.size("chunk", in: 1...(16 << 20), default: 128 << 10)

        // MARK: Load

        package static let pace = SettingDescriptor("rate", default: LoadTest.Pace.rate(.constant(1000)))
            .allowed("a rate such as `20000/s`, `20k/s` or `600/m`, or `max`")
            .defaultText("1000/s")
            .help(
                "Rate of requests, whether or not the target keeps up; or max, a closed loop: each connection sends "
                    + "its next request after the response."
            )

        package static let ramp = SettingDescriptor<LoadTest.RateProfile?>("ramp", unset: "none")
            .allowed("two rates and a duration, such as `'0..50000/s over 30s'`")
            .help("Rate that changes linearly, reported in steps.")

        package static let rampSteps = SettingDescriptor.count("ramp-steps", in: 1...1000, default: 20)
            .help("Number of steps in which a ramp is reported.")

        package static let arrivals = SettingDescriptor.word("arrivals", default: LoadTest.Arrivals.constant)
            .help("Spacing of requests: constant, or poisson as for independent users.")

        package static let connections = SettingDescriptor.count("connections", in: .connections, default: 16)
            .help("Number of connections; in connect mode, the maximum at the same time.")

        package static let threads = SettingDescriptor.count("threads", in: 1...256, default: 1)
            .help("Number of sending threads.")

        package static let sources = SettingDescriptor<[InternetAddress]>(
            "source-addresses",
            unset: "chosen by the system"
        )
        .allowed("comma-separated IP addresses of this machine, without ports")
        .help("Local addresses to connect from; each has its own ports.")

        package static let seed = SettingDescriptor<UInt64>("seed", default: 1)
            .allowed("0 to \(UInt64.max)")
            .help("Random seed: the same seed gives the same sequence.")

        package static let queueLimit = SettingDescriptor.count("queue-limit", in: 1...100_000_000, default: 1_048_576)
            .help("Maximum number of due requests that wait for a connection.")

        // MARK: TLS

        package static let resume = SettingDescriptor.percentage("resume", in: 0...100, default: 0)
            .help("Percentage of the TLS handshakes that resume the session of an earlier connection.")

        // MARK: Timing

        package static let duration = SettingDescriptor.duration(
            "duration",
            in: .milliseconds(1)...(.seconds(86_400)),
            default: .seconds(10)
        )
        .defaultText("10s; the length of the ramp; 3s for each of several runs")
        .help("Measured time.")

        package static let warmUp = SettingDescriptor.duration("warmup", in: .zero...(.seconds(3600)), default: .zero)
            .help("Time with the same load before that, unmeasured.")

        package static let drain = SettingDescriptor.duration(
            "drain",
            in: .zero...(.seconds(3600)),
            default: .seconds(1)
        )
        .help("Maximum time to wait for the last responses.")

        package static let timeout = SettingDescriptor.duration("timeout", in: timeouts, default: .seconds(10))
            .help("Timeout for a response; its connection is then reset.")

        package static let connectTimeout = SettingDescriptor.duration(
            "connect-timeout",
            in: timeouts,
            default: .seconds(5)
        )
        .help("Timeout for establishing a connection, with its TLS handshake.")

        private static let timeouts = Duration.milliseconds(1)...(.seconds(3600))
        private static let maxMessageSize = 1 << 30
    }
}

extension LoadTest.Comparison {
    /// The definitions of the settings.
    package enum Settings {
        package static let rounds = SettingDescriptor.count("rounds", in: 1...1000, default: 5)
            .help("Number of rounds of `--versus`.")
    }
}
