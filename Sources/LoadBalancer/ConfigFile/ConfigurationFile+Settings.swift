package import TCPProxy
package import ValueFormats

extension ConfigurationFile {
    /// The definitions of the process-wide settings that are not settings of the proxy.
    package enum Settings {
        package static let include = SettingDescriptor<[String]>("include", unset: "none")
            .allowed("at most 64 paths of files, of folders, or with `*` in the name of the file")
            .help(
                "Files whose keys are added to those of this file. A folder means its `.yaml` and `.yml` files, in the "
                    + "order of their names."
            )

        package static let listeners = SettingDescriptor<[ListenerSection]>("listeners", unset: "required")
            .help("Listeners that clients connect to.")

        package static let pools = SettingDescriptor<[PoolSection]>("pools", unset: "required")
            .help("Pools of servers that connections are forwarded to.")

        package static let limits = SettingDescriptor<[LimitsSection]>("limits", unset: "none")
            .help("Limits that several listeners share.")

        package static let resolver = SettingDescriptor<InternetAddress?>("resolver", unset: "the system resolver")
            .allowed("`ip:port` or `[ipv6]:port`")
            .help("Name server that resolves the names of servers. Names are queried as written.")

        package static let user = SettingDescriptor.text(
            "user",
            of: 1...256,
            unset: "the user that started the process"
        )
        .help(
            "User, by name or number, that the process switches to after binding its sockets, before it serves "
                + "clients."
        )

        package static let group = SettingDescriptor.text("group", of: 1...256, unset: "the primary group of the user")
            .help("Group, by name or number, that the process switches to.")

        package static let pidFile = SettingDescriptor.path("pid-file", unset: "no file")
            .help(
                "File that receives the ID of the process after all addresses are bound. It is removed at exit if it "
                    + "still holds that ID."
            )

        package static let admin = SettingDescriptor<ServiceAddress?>.orOff(
            "admin",
            default: .socket(.internet(InternetAddress(v4: 0x7F00_0001, port: 8998)))
        )
        .allowed("`host:port`, `[ipv6]:port`, `:port` or `unix:/path`")
        .help(
            "Address of the HTTP server for `/metrics`, `/clients`, `/pools`, `/healthz`, `/readyz` and the "
                + "admin API."
        )

        package static let adminAPI = SettingDescriptor.flag("admin-api", default: true)
            .help(
                "Whether servers can be drained, connections closed and the configuration file reloaded over HTTP, "
                    + "at the address of `admin`. Without `admin-token-file`, `admin` must then be a loopback address "
                    + "or a Unix socket."
            )

        package static let adminTokenFile = SettingDescriptor.path("admin-token-file", unset: "no token required")
            .help(
                "File with the token that `admin` requires, as `Authorization: Bearer TOKEN`, except for `/healthz` "
                    + "and `/readyz`."
            )

        package static let watchCertificates = SettingDescriptor.durationOrOff(
            "watch-certificates",
            in: .seconds(1)...DurationValue.maxDuration,
            default: .seconds(10)
        )
        .help(
            "Interval at which the files of certificates, keys and authorities are checked for changes. Changed ones "
                + "replace those in use."
        )

        package static let events = SettingDescriptor.flag("events")
            .help("Whether connection events are written to standard output.")

        package static let summary = SettingDescriptor.durationOrOff("summary", default: .seconds(10))
            .defaultText("`10s` on a terminal, otherwise `off`")
            .help("Interval of the line with the totals.")

        package static let accessLog = SettingDescriptor<String?>.orOff("access-log", .path)
            .help(
                "File of the access log, with one line per ended connection; `-` is standard output. SIGUSR1 reopens "
                    + "it."
            )

        package static let accessLogFormat = SettingDescriptor("access-log-format", default: AccessLogFormat.text)
            .allowed("`text`, `json`, or fields such as `{client} {server}`")
            .help("Format of the access log.")

        package static let logLevel = SettingDescriptor.word("log-level", default: LogLevel.info)
            .help("Minimum level of log messages on standard error.")

        package static let logFormat = SettingDescriptor.word("log-format", default: LogFormat.text)
            .help("Log format: text, or one JSON object per line.")
    }
}
