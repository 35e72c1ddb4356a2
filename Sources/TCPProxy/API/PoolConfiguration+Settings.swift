package import Balancing
package import Sockets
package import ValueFormats

extension PoolConfiguration {
    /// The definitions of the settings.
    package enum Settings {
        package static let servers = SettingDescriptor<[ServerConfiguration]>("servers", unset: "required")
            .help("Servers: an address or a mapping for each.")

        package static let policy = SettingDescriptor.word("policy", default: BalancingPolicy.roundRobin)
            .help("Policy that selects the server for a connection.")

        package static let fastestBy = SettingDescriptor.word("fastest-by", default: Latency.connect)
            .help(
                "Latency that the policy `fastest` compares: the connect time, or the time to the first byte of the "
                    + "server."
            )

        package static let fastestTolerance = SettingDescriptor.duration(
            "fastest-tolerance",
            in: .anyDurationOrZero,
            default: .milliseconds(1)
        )
        .help(
            "Difference of latencies below which the policy `fastest` treats servers as equally fast; "
                + "differences of less than 10 % never count."
        )

        package static let queue = SettingDescriptor.flag("queue", default: true)
            .defaultText("the defaults below")
            .help(
                "Queue for connections while all available servers are at their `max-connections`, and with "
                    + "`on-all-down: queue` while all are down."
            )

        package static let queueLimit = SettingDescriptor.count("limit", in: 0...1_000_000, default: 1000)
            .option("queue")
            .help(
                "Maximum number of connections that wait while all available servers are at their connection limit; "
                    + "0 disables the queue."
            )

        package static let queueTimeout = SettingDescriptor.durationOrOff("timeout", default: .seconds(5))
            .option("queue-timeout")
            .help("Maximum waiting time of a connection in the queue.")

        package static let onAllDown = SettingDescriptor.word("on-all-down", default: OnAllDown.refuse)
            .help(
                "Effect on new connections when all servers are down: `refuse` resets them immediately, `try` tries "
                    + "servers anyway, `queue` queues them until a server is up."
            )

        package static let retry = SettingDescriptor<Int?>.orOff("retry", .count(1...1023), default: 1023)
            .defaultText("each server once")
            .help(
                "Maximum number of further attempts after a failed connection attempt, each on another server; `off` "
                    + "makes a single attempt."
            )

        package static let sendProxy = SettingDescriptor<ProxyProtocolVersion?>.wordOrOff("send-proxy")
            .help("Version of the PROXY protocol header with the client's address that is sent to servers.")

        package static let connectionProtocol = SettingDescriptor.word("protocol", default: ConnectionProtocol.tcp)
            .option("server-protocol")
            .help(
                "Protocol of the servers: `postgres` requests TLS from a PostgreSQL server before the ClientHello; `tcp` is "
                    + "any other."
            )
    }
}

extension ServerConfiguration {
    /// The definitions of the settings.
    package enum Settings {
        package static let address = SettingDescriptor<SocketAddress?>("address", unset: "required")
            .help(
                "Address of the server. A host name means all its addresses, `srv:` and a service name all servers "
                    + "in its SRV records, with their ports, weights and priorities."
            )

        package static let name = SettingDescriptor("name", unset: "its address")
            .allowed("at most 64 letters, digits, `-`, `_` and `.`")
            .help("Name in logs and metrics.")

        package static let weight = SettingDescriptor.count("weight", in: 0...256, default: 1)
            .help("Share of connections, relative to the weights of the others; 0 means no new ones.")

        package static let backup = SettingDescriptor.flag("backup")
            .help(
                "Whether the server is used only if no other server is available: all others are down, ejected, "
                    + "drained or at their connection limit."
            )

        package static let maxConnections = SettingDescriptor.count(
            "max-connections",
            in: .connections,
            unset: "no limit"
        )
        .help("Maximum number of concurrent connections to the server.")
    }
}
