extension AccessPolicy {
    /// The definitions of the settings.
    package enum Settings {
        package static let allow = SettingDescriptor<[CIDRBlock]>(
            "allow",
            networks,
            default: [],
            describedAs: "all clients that are not denied",
            help: "Allowed clients. The most specific network in `allow` and `deny` that contains a client decides."
        )

        package static let deny = SettingDescriptor<[CIDRBlock]>(
            "deny",
            networks,
            default: [],
            describedAs: "no client",
            help: "Denied clients."
        )

        package static let maxConnections = SettingDescriptor<Int?>(
            "max-connections",
            .connections,
            default: nil,
            describedAs: "no limit",
            help: "Maximum number of concurrent connections to the listener. Further ones are reset."
        )

        package static let maxConnectionsPerClient = SettingDescriptor<Int?>(
            "max-connections-per-client",
            .connections,
            default: nil,
            describedAs: "no limit",
            help: "Maximum number of concurrent connections of one client. The addresses of an IPv6 /64 network count "
                + "as one client."
        )

        package static let rate = SettingDescriptor<TokenRate?>(
            "rate",
            rates,
            orOff: true,
            default: nil,
            help: "Rate limit for new connections to the listener. Further ones are reset."
        )

        package static let ratePerClient = SettingDescriptor<TokenRate?>(
            "rate-per-client",
            rates,
            orOff: true,
            default: nil,
            help: "Rate limit for new connections of one client."
        )

        package static let acceptProxy = SettingDescriptor<TrustedProxies.Header?>(
            "accept-proxy",
            .words(TrustedProxies.Header.self),
            orOff: true,
            default: nil,
            help: "Whether trusted proxies send the client's address in a PROXY protocol header."
        )

        package static let trustedProxies = SettingDescriptor<[CIDRBlock]>(
            "trusted-proxies",
            networks,
            default: [],
            describedAs: "required with `accept-proxy`",
            help: "Networks of the trusted proxies."
        )

        /// Maximum number of networks in a list.
        package static let maxNetworks = 10_000

        private static let networks = SettingValues.described(
            "at most \(maxNetworks) IP addresses or CIDR blocks such as `10.0.0.0/8`"
        )
        private static let rates = SettingValues.described(
            "a number per second, minute or hour, such as `100/s`, `30/m` or `10/s,burst=50`"
        )
    }
}
