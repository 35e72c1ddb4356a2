import ValueFormats
import TCPProxy

// Definition of all keys of the file; the parser, the schema and the documentation tests use these tables. A new key
// needs a property of its entry and an element here.

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
                KeySchema(
                    "threads",
                    \.threads,
                    .wholeNumber(1...64),
                    in: empty,
                    standard: "one per processor, at most 64",
                    "Number of worker threads."
                ),
                KeySchema(
                    "max-connections",
                    \.maxConnections,
                    .optional(.wholeNumber(1...1_000_000)),
                    in: empty,
                    standard: "derived from the descriptor limit",
                    "Maximum number of concurrent connections of all listeners. Others wait in the backlog."
                ),
                KeySchema(
                    "engine",
                    \.engine,
                    .engine,
                    in: empty,
                    "Relay method: `auto` copies small messages and splices larger ones."
                ),
                KeySchema(
                    "max-pipes",
                    \.maxPipes,
                    .optional(.wholeNumber(0...4096)),
                    in: empty,
                    standard: "derived from the system's limits, at most 64",
                    "Maximum number of pipes per worker thread with bytes for a slow receiver. When all are in "
                        + "use, other directions copy."
                ),
                KeySchema(
                    "grace",
                    \.grace,
                    .duration(),
                    in: empty,
                    "Maximum time that existing connections may continue at shutdown."
                ),
                KeySchema(
                    "drain-delay",
                    \.drainDelay,
                    .duration(),
                    in: empty,
                    "Time for which new connections are still accepted at shutdown, while `/readyz` already fails."
                ),
                KeySchema(
                    "resolver",
                    \.resolver,
                    .optional(.resolver),
                    in: empty,
                    standard: "the system resolver",
                    "Name server that resolves the names of servers. Names are queried as written."
                ),
                KeySchema(
                    "user",
                    \.user,
                    .optional(.text(1...256, example: "the name of a user")),
                    in: empty,
                    standard: "the user that started the process",
                    "User that the process switches to after binding its sockets, before it serves clients. A "
                        + "number needs quotes."
                ),
                KeySchema(
                    "group",
                    \.group,
                    .optional(.text(1...256, example: "the name of a group")),
                    in: empty,
                    standard: "the primary group of the user",
                    "Group that the process switches to. A number needs quotes."
                ),
                KeySchema(
                    "admin",
                    alias: "metrics",
                    \.admin,
                    .orOff(.address),
                    in: empty,
                    "Address of the HTTP server for `/metrics`, `/clients`, `/healthz` and `/readyz`."
                ),
                KeySchema(
                    "admin-api",
                    \.adminAPI,
                    .boolean,
                    in: empty,
                    "Whether servers can be drained, connections closed and this file reloaded over HTTP, at the "
                        + "address of `admin`. Without a token it must be a loopback address or a Unix socket."
                ),
                KeySchema(
                    "admin-token-file",
                    \.adminTokenFile,
                    .optional(.text(1...4096, example: "the name of a file")),
                    in: empty,
                    standard: "no token required",
                    "File with the token that `admin` requires, as `Authorization: Bearer TOKEN`, except for "
                        + "`/healthz` and `/readyz`."
                ),
                KeySchema(
                    "events",
                    \.events,
                    .boolean,
                    in: empty,
                    "Whether connection events are written to standard output."
                ),
                KeySchema("summary", \.summary, .durationOrOff(), in: empty, "Interval of the line with the totals."),
                KeySchema(
                    "access-log",
                    \.accessLog,
                    .orOff(.text(1...4096, example: "the path of a file, or \"-\" for standard output")),
                    in: empty,
                    "File of the access log, one line per ended connection, see [access-log.md](access-log.md); "
                        + "`\"-\"` is standard output."
                ),
                KeySchema(
                    "access-log-format",
                    \.accessLogFormat,
                    .accessLogFormat,
                    in: empty,
                    "Format of the access log."
                ),
                KeySchema(
                    "log-level",
                    \.logLevel,
                    .word,
                    in: empty,
                    "Minimum level of log messages on standard error."
                ),
                KeySchema(
                    "log-format",
                    \.logFormat,
                    .word,
                    in: empty,
                    "Log format: text, or one JSON object per line."
                ),
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
                    required: "listen",
                    \.listen,
                    .address,
                    placeholder: "127.0.0.1:5432",
                    "Address to listen on. `:port` means all interfaces; port 0 takes a free port."
                ),
                KeySchema(
                    required: "pool",
                    \.pool,
                    .text(1...64, example: "the name of a pool"),
                    placeholder: "NAME",
                    "Name of the pool that connections are forwarded to."
                ),
                KeySchema(
                    "connect-timeout",
                    \.timeouts.connectAttempt,
                    .durationOrOff(),
                    in: empty,
                    "Timeout for one connection attempt."
                ),
                KeySchema(
                    "connect-deadline",
                    \.timeouts.connect,
                    .durationOrOff(),
                    in: empty,
                    "Timeout for all connection attempts of one client connection."
                ),
                KeySchema(
                    "idle-timeout",
                    \.timeouts.idle,
                    .durationOrOff(),
                    in: empty,
                    "Timeout for a connection without traffic in either direction."
                ),
                KeySchema(
                    "half-close-timeout",
                    \.timeouts.halfClose,
                    .durationOrOff(),
                    in: empty,
                    "Timeout for a connection with one direction closed and no traffic in the other."
                ),
                KeySchema(
                    "lifetime",
                    \.timeouts.lifetime,
                    .durationOrOff(),
                    in: empty,
                    "Maximum duration of a connection, regardless of traffic."
                ),
                KeySchema(
                    "keepalive",
                    \.keepAlive,
                    .orOff(.wholeSeconds(.seconds(1)...(.seconds(32_767)))),
                    in: empty,
                    "TCP keepalive on both sides: idle time before the first probe, and interval between probes."
                ),
                KeySchema(
                    "tcp-user-timeout",
                    \.timeouts.user,
                    .durationOrOff(.milliseconds(1)...(.seconds(596 * 3600))),
                    in: empty,
                    "Maximum time that sent bytes may stay unacknowledged (TCP_USER_TIMEOUT, RFC 5482); `off` uses "
                        + "the system default."
                ),
                KeySchema(
                    "backlog",
                    \.backlog,
                    .wholeNumber(1...65_535),
                    in: empty,
                    "Length of the accept queue of each worker thread, capped by the system's net.core.somaxconn."
                ),
                KeySchema(
                    "source",
                    \.sources,
                    .sources,
                    in: empty,
                    standard: "chosen by the system",
                    "Local addresses for connections to servers. Several are used in turn, for more ports."
                ),
                KeySchema(
                    "allow",
                    \.allow,
                    .networks,
                    in: empty,
                    standard: "all clients that are not denied",
                    "Allowed clients. The most specific network in `allow` and `deny` that contains a client decides."
                ),
                KeySchema(
                    "deny",
                    \.deny,
                    .networks,
                    in: empty,
                    standard: "no client",
                    "Denied clients."
                ),
                KeySchema(
                    "max-connections",
                    \.maxConnections,
                    .optional(.wholeNumber(1...1_000_000)),
                    in: empty,
                    standard: "no limit",
                    "Maximum number of concurrent connections to the listener. Further ones are reset."
                ),
                KeySchema(
                    "max-connections-per-client",
                    \.maxConnectionsPerClient,
                    .optional(.wholeNumber(1...1_000_000)),
                    in: empty,
                    standard: "no limit",
                    "Maximum number of concurrent connections of one client. The addresses of an IPv6 /64 network "
                        + "count as one client."
                ),
                KeySchema(
                    "rate",
                    \.rate,
                    .orOff(.rate),
                    in: empty,
                    "Rate limit for new connections to the listener. Further ones are reset."
                ),
                KeySchema(
                    "rate-per-client",
                    \.ratePerClient,
                    .orOff(.rate),
                    in: empty,
                    "Rate limit for new connections of one client."
                ),
                KeySchema(
                    "bandwidth",
                    \.bandwidth,
                    .orOff(.size(1...1_000_000_000_000)),
                    in: empty,
                    "Maximum bytes per second in each direction of a connection."
                ),
                KeySchema(
                    "accept-proxy",
                    \.acceptProxy,
                    .orOff(.word),
                    in: empty,
                    "Whether trusted proxies send the client's address in a PROXY protocol header."
                ),
                KeySchema(
                    "trusted-proxies",
                    \.trustedProxies,
                    .networks,
                    in: empty,
                    standard: "required with `accept-proxy`",
                    "Networks of the trusted proxies."
                ),
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
                KeySchema(
                    "preread-timeout",
                    \.timeouts.preread,
                    .durationOrOff(),
                    in: empty,
                    "Timeout for receiving the PROXY protocol header and the TLS ClientHello."
                ),
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
                KeySchema("policy", \.policy, .word, in: empty, "Policy that selects the server for a connection."),
                KeySchema(
                    "check",
                    \.check,
                    .orOff(ObjectSchema<HealthCheckSection>.check.valueSchema),
                    in: empty,
                    "Health check of the servers."
                ),
                KeySchema(
                    "ejection",
                    \.ejection,
                    .orOff(ObjectSchema<EjectionSettings>.ejection.valueSchema),
                    in: empty,
                    standard: "on, with the defaults below",
                    "Ejection of servers that client connection attempts fail to reach."
                ),
                KeySchema(
                    "slow-start",
                    \.slowStart,
                    .durationOrOff(),
                    in: empty,
                    "Time in which the weight of a server that came up grows to its full value."
                ),
                KeySchema(
                    "queue",
                    \.queue,
                    ObjectSchema<QueueSection>.queue.valueSchema,
                    in: empty,
                    standard: "the defaults below",
                    "Queue for connections while all servers have reached `max-connections`."
                ),
                KeySchema(
                    "on-server-down",
                    \.onServerDown,
                    .word,
                    in: empty,
                    "Effect on existing connections when their server goes down: `close` resets them."
                ),
                KeySchema(
                    "on-all-down",
                    \.onAllDown,
                    .word,
                    in: empty,
                    "Effect on new connections when all servers are down: `refuse` resets them immediately, `try` "
                        + "tries servers anyway."
                ),
                KeySchema(
                    "send-proxy",
                    \.sendProxy,
                    .orOff(.word),
                    in: empty,
                    "Version of the PROXY protocol header with the client's address that is sent to servers."
                ),
                KeySchema(
                    "resolve-interval",
                    \.resolveInterval,
                    .durationOrOff(),
                    in: empty,
                    "Interval at which host names of servers are resolved again; `off` resolves them once."
                ),
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
                KeySchema(
                    "weight",
                    \.weight,
                    .wholeNumber(0...256),
                    in: empty,
                    "Share of connections, relative to the weights of the others; 0 means no new ones."
                ),
                KeySchema("backup", \.backup, .boolean, in: empty, "Whether it is used only when all others are down."),
                KeySchema(
                    "max-connections",
                    \.maxConnections,
                    .optional(.wholeNumber(1...1_000_000)),
                    in: empty,
                    standard: "no limit",
                    "Maximum number of concurrent connections to the server."
                ),
            ]
        )
    }
}

extension ObjectSchema where Entry == HealthCheckSection {
    static var check: Self {
        let empty = HealthCheckSection()
        let range: ClosedRange<Duration> = .milliseconds(10)...(.seconds(24 * 3600))
        return Self(
            name: "a check",
            empty: empty,
            keys: [
                KeySchema(required: "type", \.type, .word, placeholder: "tcp", "Type of the check."),
                KeySchema(
                    "interval",
                    \.interval,
                    .duration(range),
                    in: empty,
                    "Interval between two checks of a server."
                ),
                KeySchema(
                    "timeout",
                    \.timeout,
                    .duration(range),
                    in: empty,
                    "Timeout for connection and response together."
                ),
                KeySchema(
                    "rise",
                    \.rise,
                    .wholeNumber(1...1000),
                    in: empty,
                    "Consecutive passes that bring a server up."
                ),
                KeySchema(
                    "fall",
                    \.fall,
                    .wholeNumber(1...1000),
                    in: empty,
                    "Consecutive failures that bring a server down."
                ),
                KeySchema(
                    "port",
                    \.port,
                    .optional(.wholeNumber(1...65_535)),
                    in: empty,
                    standard: "the port of the server",
                    "Port that the check connects to."
                ),
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
                    "`send-expect`: text to send; none if the server speaks first."
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
                    "Duration of the first ejection; each further one lasts twice as long."
                ),
                KeySchema("max-time", \.maxTime, .duration(range), in: empty, "Maximum duration of an ejection."),
                KeySchema(
                    "max-percent",
                    \.maxPercentEjected,
                    .share(0...100),
                    in: empty,
                    "Maximum percentage of the pool's servers that are ejected at the same time."
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
                KeySchema(
                    "limit",
                    \.limit,
                    .wholeNumber(0...1_000_000),
                    in: empty,
                    "Maximum number of waiting connections; 0 disables the queue."
                ),
                KeySchema(
                    "timeout",
                    \.timeout,
                    .duration(.milliseconds(1)...DurationValue.longest),
                    in: empty,
                    "Maximum waiting time of a connection."
                ),
            ]
        )
    }
}
