import TCPProxy
import ValueFormats

// Definition of all keys of the file; the parser, the JSON schema and the documentation tests use these tables. A new
// key needs a property of its entry and an element here, with a `SettingDescriptor` if it is also an option of the
// command line.

extension ObjectSchema where Entry == ConfigurationFile {
    static var root: Self {
        let empty = ConfigurationFile()
        return Self(
            name: "the file",
            empty: empty,
            keys: [
                KeySchema(
                    required: "listeners",
                    \.listeners,
                    ObjectSchema<ListenerSection>.listener.named(most: ConfigurationFile.maxListeners, \.name),
                    placeholder: "{NAME: {listen: ADDRESS, pool: POOL}}",
                    "Listeners that clients connect to."
                ),
                KeySchema(
                    required: "pools",
                    \.pools,
                    ObjectSchema<PoolSection>.pool.named(most: ConfigurationFile.maxPools, \.name),
                    placeholder: "{NAME: {servers: [ADDRESS]}}",
                    "Pools of servers that connections are forwarded to."
                ),
                KeySchema(ProxyConfiguration.Settings.threads, \.threads, in: empty),
                KeySchema(ProxyConfiguration.Settings.maxConnections, \.maxConnections, in: empty),
                KeySchema(ProxyConfiguration.Settings.engine, \.engine, in: empty),
                KeySchema(ProxyConfiguration.Settings.maxPipes, \.maxPipes, in: empty),
                KeySchema(ProxyConfiguration.Settings.grace, \.grace, in: empty),
                KeySchema(ProxyConfiguration.Settings.drainDelay, \.drainDelay, in: empty),
                KeySchema(ConfigurationFile.Settings.resolver, \.resolver, .optional(.resolver), in: empty),
                KeySchema(
                    ConfigurationFile.Settings.user,
                    \.user,
                    .optional(.text(ConfigurationFile.Settings.user, example: "the name of a user")),
                    in: empty
                ),
                KeySchema(
                    ConfigurationFile.Settings.group,
                    \.group,
                    .optional(.text(ConfigurationFile.Settings.group, example: "the name of a group")),
                    in: empty
                ),
                KeySchema(ConfigurationFile.Settings.admin, alias: "metrics", \.admin, .orOff(.address), in: empty),
                KeySchema(ConfigurationFile.Settings.adminAPI, \.adminAPI, in: empty),
                KeySchema(
                    ConfigurationFile.Settings.adminTokenFile,
                    \.adminTokenFile,
                    .optional(.text(ConfigurationFile.Settings.adminTokenFile, example: "the name of a file")),
                    in: empty
                ),
                KeySchema(ConfigurationFile.Settings.events, \.events, in: empty),
                KeySchema(ConfigurationFile.Settings.summary, \.summary, in: empty),
                KeySchema(
                    ConfigurationFile.Settings.accessLog,
                    \.accessLog,
                    .orOff(
                        .text(
                            ConfigurationFile.Settings.accessLog,
                            example: "the path of a file, or \"-\" for standard output"
                        )
                    ),
                    in: empty
                ),
                KeySchema(ConfigurationFile.Settings.accessLogFormat, \.accessLogFormat, .accessLogFormat, in: empty),
                KeySchema(ConfigurationFile.Settings.logLevel, \.logLevel, in: empty),
                KeySchema(ConfigurationFile.Settings.logFormat, \.logFormat, in: empty),
            ]
        )
    }
}

extension ObjectSchema where Entry == ListenerSection {
    static var listener: Self {
        let empty = ListenerSection()
        return Self(
            name: "a listener",
            empty: empty,
            keys: [
                KeySchema(
                    required: ListenerConfiguration.Settings.listen.name,
                    \.listen,
                    .address,
                    placeholder: "127.0.0.1:5432",
                    ListenerConfiguration.Settings.listen.help
                ),
                KeySchema(
                    required: "pool",
                    \.pool,
                    .text(1...64, example: "the name of a pool"),
                    placeholder: "NAME",
                    "Name of the pool that connections are forwarded to."
                ),
                KeySchema(ListenerConfiguration.Settings.connectTimeout, \.timeouts.connectAttempt, in: empty),
                KeySchema(ListenerConfiguration.Settings.connectDeadline, \.timeouts.connect, in: empty),
                KeySchema(ListenerConfiguration.Settings.idleTimeout, \.timeouts.idle, in: empty),
                KeySchema(ListenerConfiguration.Settings.halfCloseTimeout, \.timeouts.halfClose, in: empty),
                KeySchema(ListenerConfiguration.Settings.lifetime, \.timeouts.lifetime, in: empty),
                KeySchema(ListenerConfiguration.Settings.keepAlive, \.keepAlive, in: empty),
                KeySchema(ListenerConfiguration.Settings.tcpUserTimeout, \.timeouts.user, in: empty),
                KeySchema(ListenerConfiguration.Settings.backlog, \.backlog, in: empty),
                KeySchema(ListenerConfiguration.Settings.source, \.sources, .sources, in: empty),
                KeySchema(AccessPolicy.Settings.allow, \.allow, .networks, in: empty),
                KeySchema(AccessPolicy.Settings.deny, \.deny, .networks, in: empty),
                KeySchema(AccessPolicy.Settings.maxConnections, \.maxConnections, in: empty),
                KeySchema(AccessPolicy.Settings.maxConnectionsPerClient, \.maxConnectionsPerClient, in: empty),
                KeySchema(AccessPolicy.Settings.rate, \.rate, .orOff(.rate), in: empty),
                KeySchema(AccessPolicy.Settings.ratePerClient, \.ratePerClient, .orOff(.rate), in: empty),
                KeySchema(
                    ListenerConfiguration.Settings.bandwidth,
                    \.bandwidth,
                    .orOff(.size(ListenerConfiguration.Settings.bandwidth.values.numbers)),
                    in: empty
                ),
                KeySchema(AccessPolicy.Settings.acceptProxy, \.acceptProxy, in: empty),
                KeySchema(AccessPolicy.Settings.trustedProxies, \.trustedProxies, .networks, in: empty),
                KeySchema(
                    "sni",
                    \.sniPatterns,
                    .sniPatterns,
                    in: empty,
                    "Pools for TLS clients by SNI host name. All other clients use `pool`."
                ),
                KeySchema(
                    "alpn",
                    \.alpnProtocols,
                    .alpnProtocols,
                    in: empty,
                    "Pools for TLS clients by ALPN protocol, regardless of the SNI host name."
                ),
                KeySchema(ListenerConfiguration.Settings.prereadTimeout, \.timeouts.preread, in: empty),
            ]
        )
    }
}

extension ObjectSchema where Entry == PoolSection {
    static var pool: Self {
        let empty = PoolSection()
        return Self(
            name: "a pool",
            empty: empty,
            keys: [
                KeySchema(
                    required: "servers",
                    \.servers,
                    .servers,
                    placeholder: "[10.0.0.1:5432]",
                    "Servers: an address or a mapping for each."
                ),
                KeySchema(PoolConfiguration.Settings.policy, \.policy, in: empty),
                KeySchema(
                    PoolSettings.Settings.check,
                    \.check,
                    .orOff(ObjectSchema<HealthCheckSection>.check.valueSchema),
                    in: empty
                ),
                KeySchema(
                    PoolSettings.Settings.ejection,
                    \.ejection,
                    .orOff(ObjectSchema<EjectionSettings>.ejection.valueSchema),
                    in: empty
                ),
                KeySchema(PoolSettings.Settings.slowStart, \.slowStart, in: empty),
                KeySchema(
                    "queue",
                    \.queue,
                    ObjectSchema<QueueSection>.queue.valueSchema,
                    in: empty,
                    standard: "the defaults below",
                    "Queue for connections while all available servers are at their `max-connections`."
                ),
                KeySchema(PoolSettings.Settings.onServerDown, \.onServerDown, in: empty),
                KeySchema(PoolConfiguration.Settings.onAllDown, \.onAllDown, in: empty),
                KeySchema(PoolConfiguration.Settings.sendProxy, \.sendProxy, in: empty),
                KeySchema(ProxyConfiguration.Settings.resolveInterval, \.resolveInterval, in: empty),
            ]
        )
    }
}

extension ObjectSchema where Entry == ServerSection {
    static var server: Self {
        let empty = ServerSection()
        return Self(
            name: "a server",
            empty: empty,
            keys: [
                KeySchema(
                    required: "address",
                    \.address,
                    .serverAddress,
                    placeholder: "10.0.0.1:5432",
                    "Address of the server. A host name means all its addresses, `srv:` and a service name all "
                        + "servers in its SRV records, with their ports, weights and priorities."
                ),
                KeySchema(
                    "name",
                    \.name,
                    .name,
                    in: empty,
                    standard: "its address",
                    "Name in logs and metrics."
                ),
                KeySchema(ServerConfiguration.Settings.weight, \.weight, in: empty),
                KeySchema(ServerConfiguration.Settings.backup, \.backup, in: empty),
                KeySchema(ServerConfiguration.Settings.maxConnections, \.maxConnections, in: empty),
            ]
        )
    }
}

extension ObjectSchema where Entry == HealthCheckSection {
    static var check: Self {
        let empty = HealthCheckSection()
        return Self(
            name: "a check",
            empty: empty,
            keys: [
                KeySchema(required: "type", \.type, .word, placeholder: "tcp", "Type of the check."),
                KeySchema(HealthCheck.Settings.interval, \.interval, in: empty),
                KeySchema(HealthCheck.Settings.timeout, \.timeout, in: empty),
                KeySchema(HealthCheck.Settings.rise, \.rise, in: empty),
                KeySchema(HealthCheck.Settings.fall, \.fall, in: empty),
                KeySchema(HealthCheck.Settings.port, \.port, in: empty),
                KeySchema(
                    "initial",
                    \.initial,
                    .word,
                    in: empty,
                    "State of a server before its first result; `unknown` counts as up until the first result."
                ),
                KeySchema(
                    "send",
                    \.send,
                    .text(0...4096, example: "text"),
                    in: empty,
                    standard: "none",
                    "`send-expect`: text to send; omit it if the server sends first."
                ),
                KeySchema(
                    "expect",
                    \.expect,
                    .text(1...4096, example: "text"),
                    in: empty,
                    standard: "required for `send-expect`",
                    "`send-expect`: text that the response must contain."
                ),
                KeySchema(
                    "path",
                    \.path,
                    .visible(1...2048, example: "a path, such as /health"),
                    in: empty,
                    "`http`: path of the request, beginning with a slash."
                ),
                KeySchema(
                    "host",
                    \.host,
                    .visible(1...253, example: "a host name"),
                    in: empty,
                    "`http`: value of the Host field."
                ),
                KeySchema(
                    "status",
                    \.status,
                    .statusCodes,
                    in: empty,
                    "`http`: status codes that pass."
                ),
                KeySchema(
                    "user",
                    \.user,
                    .text(1...63, example: "the name of a PostgreSQL user"),
                    in: empty,
                    "`postgres`: user name that the check sends. It needs no account on the server."
                ),
            ]
        )
    }

    /// The keys that are valid for one check type only.
    static let types: [String: HealthCheckSection.CheckType] = [
        "send": .sendExpect, "expect": .sendExpect, "path": .http, "host": .http, "status": .http, "user": .postgres,
    ]
}

extension ObjectSchema where Entry == EjectionSettings {
    static var ejection: Self {
        let empty = EjectionSettings()
        let range: ClosedRange<Duration> = .milliseconds(10)...(.seconds(24 * 3600))
        return Self(
            name: "an ejection",
            empty: empty,
            keys: [
                KeySchema(
                    "consecutive-failures",
                    \.consecutiveFailures,
                    .orOff(.wholeNumber(1...10_000)),
                    in: empty,
                    "Consecutive failed connection attempts after which a server is ejected."
                ),
                KeySchema(
                    "failure-rate",
                    \.failureRate,
                    .orOff(.share(1...100)),
                    in: empty,
                    "Percentage of failed connection attempts at which a server is ejected."
                ),
                KeySchema(
                    "window",
                    \.window,
                    .duration(range),
                    in: empty,
                    "Period in which the percentage is measured."
                ),
                KeySchema(
                    "min-attempts",
                    \.minAttempts,
                    .wholeNumber(1...1_000_000),
                    in: empty,
                    "Minimum number of connection attempts in the period for the percentage to apply."
                ),
                KeySchema(
                    "base-time",
                    \.baseTime,
                    .duration(range),
                    in: empty,
                    "Duration of the first ejection; each further one lasts twice as long, up to `max-time`. Each "
                        + "period of `max-time` without an ejection halves it again."
                ),
                KeySchema("max-time", \.maxTime, .duration(range), in: empty, "Maximum duration of an ejection."),
                KeySchema(
                    "max-percent",
                    \.maxPercentEjected,
                    .share(0...100),
                    in: empty,
                    "Maximum percentage of the pool's servers that are ejected at the same time; unless it is `0%`, "
                        + "one server may always be ejected if the pool has another."
                ),
            ]
        )
    }
}

extension ObjectSchema where Entry == QueueSection {
    static var queue: Self {
        let empty = QueueSection()
        return Self(
            name: "a queue",
            empty: empty,
            keys: [
                KeySchema(PoolConfiguration.Settings.queueLimit, \.limit, in: empty),
                KeySchema(PoolConfiguration.Settings.queueTimeout, \.timeout, in: empty),
            ]
        )
    }
}
