package import Sockets
package import ValueFormats

extension ListenerConfiguration {
    /// The definitions of the settings.
    package enum Settings {
        package static let listen = SettingDescriptor<ServiceAddress?>("listen", unset: "required")
            .allowed("`host:port`, `[ipv6]:port`, `:port` or `unix:/path`")
            .help("Address to listen on. `:port` means all interfaces; port 0 takes a free port.")

        package static let pool = SettingDescriptor("pool", .text(1...64), unset: "required")
            .help("Name of the pool that connections are forwarded to.")

        package static let sni = SettingDescriptor<[SNIRoute]>("sni", unset: "none")
            .allowed(
                "names such as `www.example.com` or `\"*.example.com\"`, each with the name of a pool or with the keys of a "
                    + "route"
            )
            .help("Pools for TLS clients by SNI host name. All other TLS clients use `pool`.")

        package static let alpn = SettingDescriptor<[ALPNRoute]>("alpn", unset: "none")
            .allowed("protocols such as `h2` or `postgresql`, each with the name of a pool or with the keys of a route")
            .help(
                "Pools for TLS clients by ALPN protocol, regardless of the SNI host name. The first protocol in this "
                    + "order that the client offers decides."
            )

        package static let limits = SettingDescriptor.text("limits", of: 1...64, unset: "limits of its own")
            .help("Name of limits in `limits` that the listener shares with others, in place of the five keys above.")

        // MARK: Timeouts

        package static let connectTimeout = SettingDescriptor.durationOrOff("connect-timeout", default: .seconds(5))
            .help("Timeout for one connection attempt.")

        package static let connectDeadline = SettingDescriptor.durationOrOff("connect-deadline", default: .seconds(15))
            .help("Timeout for all connection attempts of one client connection.")

        package static let idleTimeout = SettingDescriptor.durationOrOff("idle-timeout")
            .help("Timeout for a connection without traffic in either direction.")

        package static let halfCloseTimeout = SettingDescriptor.durationOrOff(
            "half-close-timeout",
            default: .seconds(3600)
        )
        .help("Timeout for a connection with one direction closed and no traffic in the other.")

        package static let lifetime = SettingDescriptor.durationOrOff("lifetime")
            .help("Maximum duration of a connection, regardless of traffic.")

        package static let lifetimeJitter = SettingDescriptor.percentage("lifetime-jitter", in: 0...100, default: 0)
            .help(
                "Maximum share by which `lifetime` is shortened, different for each connection, so that connections "
                    + "opened together do not all end together."
            )

        package static let prereadTimeout = SettingDescriptor.durationOrOff("preread-timeout", default: .seconds(5))
            .help("Timeout for receiving the PROXY protocol header and the TLS ClientHello.")

        package static let handshakeTimeout = SettingDescriptor.durationOrOff(
            "handshake-timeout",
            default: .seconds(10)
        )
        .help("With `tls`: timeout for the handshake with a client, from its connect on.")

        package static let halfClose = SettingDescriptor.word("half-close", default: HalfClose.propagate)
            .help(
                "Effect of EOF from one side: `propagate` passes it on, and the other direction continues; `close` "
                    + "closes the connection when the bytes of that side have been delivered."
            )

        // MARK: Routes

        package static let plain = SettingDescriptor.text("plain", of: 1...64, unset: "denied")
            .help(
                "With `sni`, `alpn` or `tls`: pool for connections that do not start with TLS, and for clients that have sent "
                    + "nothing when `preread-timeout` expires, because they wait for the server to send first."
            )

        package static let connectionProtocol = SettingDescriptor.word("protocol", default: ConnectionProtocol.tcp)
            .help(
                "Protocol of the clients: `postgres` answers the request for TLS that a PostgreSQL client sends before its "
                    + "ClientHello; `tcp` is any other."
            )

        // MARK: Sockets

        package static let keepAlive = SettingDescriptor<Duration?>.orOff(
            "keepalive",
            .wholeSeconds(.seconds(1)...(.seconds(32_767))),
            default: .seconds(60)
        )
        .help("TCP keepalive on both sides: idle time before the first probe, and interval between probes.")

        package static let tcpUserTimeout = SettingDescriptor.durationOrOff(
            "tcp-user-timeout",
            in: .milliseconds(1)...(.seconds(596 * 3600))
        )
        .help(
            "Maximum time that sent bytes may stay unacknowledged (TCP_USER_TIMEOUT, RFC 5482); `off` uses the "
                + "system default."
        )

        package static let backlog = SettingDescriptor.count("backlog", in: 1...65_535, default: 4096)
            .help("Length of the accept queue of each worker thread, capped by the system's net.core.somaxconn.")

        package static let socketMode = SettingDescriptor<Int?>(
            "mode",
            unset: "`0660` with `user`, otherwise by the umask"
        )
        .allowed("octal digits from `0000` to `0777`")
        .option("socket-mode")
        .help("Permissions of the file of a `unix:` address; clients need the write permission.")

        package static let socketOwner = SettingDescriptor.text(
            "owner",
            of: 1...256,
            unset: "the user that the process switches to"
        )
        .option("socket-owner")
        .help("Owner, by name or number, of the file of a `unix:` address.")

        package static let socketGroup = SettingDescriptor.text(
            "group",
            of: 1...256,
            unset: "the group that the process switches to"
        )
        .option("socket-group")
        .help("Group, by name or number, of the file of a `unix:` address.")

        package static let source = SettingDescriptor<[InternetAddress]>("source", unset: "chosen by the system")
            .allowed("addresses of this machine, without a port")
            .help("Local addresses for connections to servers. Several are used in turn, for more ports.")

        package static let bandwidth = SettingDescriptor<Int?>.orOff("bandwidth", .size(1...BandwidthBucket.maxRate))
            .help("Maximum bytes per second in each direction of a connection.")

        package static let bandwidthUpstream = SettingDescriptor.size(
            "bandwidth-upstream",
            in: 1...BandwidthBucket.maxRate,
            unset: "the value of `bandwidth`"
        )
        .help("Maximum bytes per second from the client to the server.")

        package static let bandwidthDownstream = SettingDescriptor.size(
            "bandwidth-downstream",
            in: 1...BandwidthBucket.maxRate,
            unset: "the value of `bandwidth`"
        )
        .help("Maximum bytes per second from the server to the client.")
    }
}
