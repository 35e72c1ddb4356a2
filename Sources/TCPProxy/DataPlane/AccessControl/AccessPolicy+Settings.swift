package import ValueFormats

extension AccessPolicy {
    /// The definitions of the settings.
    package enum Settings {
        package static let allow = SettingDescriptor<[CIDRBlock]>("allow", unset: "all clients that are not denied")
            .allowed(networks)
            .help("Allowed clients. The most specific network in `allow` and `deny` that contains a client decides.")

        package static let deny = SettingDescriptor<[CIDRBlock]>("deny", unset: "no client")
            .allowed(networks)
            .help("Denied clients.")

        package static let maxConnections = SettingDescriptor.count(
            "max-connections",
            in: .connections,
            unset: "no limit"
        )
        .help("Maximum number of concurrent connections to the listener. Further ones are reset.")

        package static let maxConnectionsPerClient = SettingDescriptor.count(
            "max-connections-per-client",
            in: .connections,
            unset: "no limit"
        )
        .help(
            "Maximum number of concurrent connections of one client. The addresses of an IPv6 /64 network count "
                + "as one client."
        )

        package static let rate = SettingDescriptor<TokenRate?>.orOff("rate")
            .allowed(rates)
            .help("Rate limit for new connections to the listener. Further ones are reset.")

        package static let ratePerClient = SettingDescriptor<TokenRate?>.orOff("rate-per-client")
            .allowed(rates)
            .help("Rate limit for new connections of one client.")

        package static let limitsDryRun = SettingDescriptor.flag("limits-dry-run")
            .help(
                "Whether connections beyond a limit of connections or of a rate are only counted and logged, instead "
                    + "of reset."
            )

        package static let acceptProxy = SettingDescriptor<TrustedProxies.Header?>.wordOrOff("accept-proxy")
            .help("Whether trusted proxies send the client's address in a PROXY protocol header.")

        package static let trustedProxies = SettingDescriptor<[TrustedSource]>(
            "trusted-proxies",
            unset: "required with `accept-proxy`"
        )
        .allowed("at most \(maxNetworks) IP addresses, CIDR blocks such as `10.0.0.0/8`, or `unix`")
        .help(
            "Networks of the trusted proxies; `unix` trusts every program that may connect to the Unix socket of a "
                + "listener."
        )

        /// Maximum number of networks in a list.
        package static let maxNetworks = 10_000

        private static let networks = "at most \(maxNetworks) IP addresses or CIDR blocks such as `10.0.0.0/8`"
        private static let rates = "a number per second, minute or hour, such as `100/s`, `30/m` or `10/s,burst=50`"
    }
}
