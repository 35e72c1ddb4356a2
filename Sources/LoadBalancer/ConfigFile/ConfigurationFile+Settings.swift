package import TCPProxy

extension ConfigurationFile {
    /// The definitions of the process-wide settings that are not settings of the proxy.
    package enum Settings {
        package static let resolver = SettingDescriptor<InternetAddress?>(
            "resolver",
            .described("`ip:port` or `[ipv6]:port`"),
            default: nil,
            describedAs: "the system resolver",
            help: "Name server that resolves the names of servers. Names are queried as written."
        )

        package static let user = SettingDescriptor<String?>(
            "user",
            .text(1...256),
            default: nil,
            describedAs: "the user that started the process",
            help: "User, by name or number, that the process switches to after binding its sockets, before it serves "
                + "clients."
        )

        package static let group = SettingDescriptor<String?>(
            "group",
            .text(1...256),
            default: nil,
            describedAs: "the primary group of the user",
            help: "Group, by name or number, that the process switches to."
        )

        package static let admin = SettingDescriptor<ServiceAddress?>(
            "admin",
            .described("`host:port`, `[ipv6]:port`, `:port` or `unix:/path`"),
            orOff: true,
            default: .socket(.internet(InternetAddress(v4: 0x7F00_0001, port: 8998))),
            help: "Address of the HTTP server for `/metrics`, `/clients`, `/pools`, `/healthz`, `/readyz` and the "
                + "admin API."
        )

        package static let adminAPI = SettingDescriptor(
            "admin-api",
            default: true,
            help: "Whether servers can be drained, connections closed and the configuration file reloaded over HTTP, "
                + "at the address of `admin`. Without `admin-token-file`, `admin` must then be a loopback address or a "
                + "Unix socket."
        )

        package static let adminTokenFile = SettingDescriptor<String?>(
            "admin-token-file",
            .text(1...4096),
            default: nil,
            describedAs: "no token required",
            help: "File with the token that `admin` requires, as `Authorization: Bearer TOKEN`, except for `/healthz` "
                + "and `/readyz`."
        )

        package static let events = SettingDescriptor(
            "events",
            default: false,
            help: "Whether connection events are written to standard output."
        )

        package static let summary = SettingDescriptor<Duration?>(
            "summary",
            .anyDuration,
            orOff: true,
            default: .seconds(10),
            help: "Interval of the line with the totals."
        )

        package static let accessLog = SettingDescriptor<String?>(
            "access-log",
            .text(1...4096),
            orOff: true,
            default: nil,
            help: "File of the access log, with one line per ended connection; `-` is standard output. SIGUSR1 reopens "
                + "it."
        )

        package static let accessLogFormat = SettingDescriptor(
            "access-log-format",
            .described("`text`, `json`, or fields such as `{client} {server}`"),
            default: AccessLogFormat.text,
            help: "Format of the access log."
        )

        package static let logLevel = SettingDescriptor(
            "log-level",
            .words(LogLevel.self),
            default: LogLevel.info,
            help: "Minimum level of log messages on standard error."
        )

        package static let logFormat = SettingDescriptor(
            "log-format",
            .words(LogFormat.self),
            default: LogFormat.text,
            help: "Log format: text, or one JSON object per line."
        )
    }
}
