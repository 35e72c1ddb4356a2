package import Sockets

extension ListenerConfiguration {
    /// The definitions of the settings.
    package enum Settings {
        package static let listen = SettingDescriptor<ServiceAddress?>(
            "listen",
            .described("`host:port`, `[ipv6]:port`, `:port` or `unix:/path`"),
            default: nil,
            describedAs: "required",
            help: "Address to listen on. `:port` means all interfaces; port 0 takes a free port."
        )

        // MARK: Timeouts

        package static let connectTimeout = SettingDescriptor<Duration?>(
            "connect-timeout",
            .anyDuration,
            orOff: true,
            default: .seconds(5),
            help: "Timeout for one connection attempt."
        )

        package static let connectDeadline = SettingDescriptor<Duration?>(
            "connect-deadline",
            .anyDuration,
            orOff: true,
            default: .seconds(15),
            help: "Timeout for all connection attempts of one client connection."
        )

        package static let idleTimeout = SettingDescriptor<Duration?>(
            "idle-timeout",
            .anyDuration,
            orOff: true,
            default: nil,
            help: "Timeout for a connection without traffic in either direction."
        )

        package static let halfCloseTimeout = SettingDescriptor<Duration?>(
            "half-close-timeout",
            .anyDuration,
            orOff: true,
            default: .seconds(3600),
            help: "Timeout for a connection with one direction closed and no traffic in the other."
        )

        package static let lifetime = SettingDescriptor<Duration?>(
            "lifetime",
            .anyDuration,
            orOff: true,
            default: nil,
            help: "Maximum duration of a connection, regardless of traffic."
        )

        package static let prereadTimeout = SettingDescriptor<Duration?>(
            "preread-timeout",
            .anyDuration,
            orOff: true,
            default: .seconds(5),
            help: "Timeout for receiving the PROXY protocol header and the TLS ClientHello."
        )

        // MARK: Sockets

        package static let keepAlive = SettingDescriptor<Duration?>(
            "keepalive",
            .wholeSeconds(.seconds(1)...(.seconds(32_767))),
            orOff: true,
            default: .seconds(60),
            help: "TCP keepalive on both sides: idle time before the first probe, and interval between probes."
        )

        package static let tcpUserTimeout = SettingDescriptor<Duration?>(
            "tcp-user-timeout",
            .duration(.milliseconds(1)...(.seconds(596 * 3600))),
            orOff: true,
            default: nil,
            help: "Maximum time that sent bytes may stay unacknowledged (TCP_USER_TIMEOUT, RFC 5482); `off` uses the "
                + "system default."
        )

        package static let backlog = SettingDescriptor(
            "backlog",
            .count(1...65_535),
            default: 4096,
            help: "Length of the accept queue of each worker thread, capped by the system's net.core.somaxconn."
        )

        package static let source = SettingDescriptor<[InternetAddress]>(
            "source",
            .described("addresses of this machine, without a port"),
            default: [],
            describedAs: "chosen by the system",
            help: "Local addresses for connections to servers. Several are used in turn, for more ports."
        )

        package static let bandwidth = SettingDescriptor<Int?>(
            "bandwidth",
            .size(1...BandwidthBucket.maxRate),
            orOff: true,
            default: nil,
            help: "Maximum bytes per second in each direction of a connection."
        )
    }
}
