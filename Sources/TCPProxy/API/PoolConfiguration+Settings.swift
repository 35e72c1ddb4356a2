package import Balancing

extension PoolConfiguration {
    /// The definitions of the settings.
    package enum Settings {
        package static let policy = SettingDescriptor(
            "policy",
            .words(BalancingPolicy.self),
            default: BalancingPolicy.roundRobin,
            help: "Policy that selects the server for a connection."
        )

        package static let queueLimit = SettingDescriptor(
            "limit",
            option: "queue",
            .count(0...1_000_000),
            default: 1000,
            help: "Maximum number of connections that wait while all available servers are at their connection limit; "
                + "0 disables the queue."
        )

        package static let queueTimeout = SettingDescriptor<Duration?>(
            "timeout",
            option: "queue-timeout",
            .anyDuration,
            orOff: true,
            default: .seconds(5),
            help: "Maximum waiting time of a connection in the queue."
        )

        package static let onAllDown = SettingDescriptor(
            "on-all-down",
            .words(OnAllDown.self),
            default: OnAllDown.refuse,
            help: "Effect on new connections when all servers are down: `refuse` resets them immediately, `try` tries "
                + "servers anyway."
        )

        package static let sendProxy = SettingDescriptor<ProxyProtocolVersion?>(
            "send-proxy",
            .words(ProxyProtocolVersion.self),
            orOff: true,
            default: nil,
            help: "Version of the PROXY protocol header with the client's address that is sent to servers."
        )
    }
}

extension ServerConfiguration {
    /// The definitions of the settings.
    package enum Settings {
        package static let weight = SettingDescriptor(
            "weight",
            .count(0...256),
            default: 1,
            help: "Share of connections, relative to the weights of the others; 0 means no new ones."
        )

        package static let backup = SettingDescriptor(
            "backup",
            default: false,
            help: "Whether the server is used only if no other server is available: all others are down, ejected, "
                + "drained or at their connection limit."
        )

        package static let maxConnections = SettingDescriptor<Int?>(
            "max-connections",
            .connections,
            default: nil,
            describedAs: "no limit",
            help: "Maximum number of concurrent connections to the server."
        )
    }
}
