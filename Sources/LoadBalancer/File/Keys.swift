import Notation
import TCPProxy

// Definition of all keys of the file; the parser, the schema and the documentation tests use these tables. A new key
// needs a property of its entry and an element here.

extension Section where Entry == ConfigurationFile {
    static var root: Self {
        let empty = ConfigurationFile()
        return Self(
            name: "the file",
            empty: empty,
            keys: [
                Key(
                    required: "listeners",
                    \.listeners,
                    Section<ListenerEntry>.listener.named(most: ConfigurationFile.mostListeners, \.name),
                    placeholder: "and below it a name, a colon, and the keys of a listener",
                    "Where clients connect to."
                ),
                Key(
                    required: "pools",
                    \.pools,
                    Section<PoolEntry>.pool.named(most: ConfigurationFile.mostPools, \.name),
                    placeholder: "and below it a name, a colon, and the keys of a pool",
                    "The servers that they are connected to."
                ),
                Key(
                    "threads",
                    \.threads,
                    .wholeNumber(1...64),
                    in: empty,
                    standard: "one for each processor, 64 at most",
                    "Worker threads."
                ),
                Key(
                    "max-connections",
                    \.maxConnections,
                    .optional(.wholeNumber(1...1_000_000)),
                    in: empty,
                    standard: "what the descriptor limit allows",
                    "Connections at once, of all listeners together. Those beyond wait in the backlog."
                ),
                Key(
                    "engine",
                    \.engine,
                    .engine,
                    in: empty,
                    "How bytes move: `auto` copies small messages and splices larger ones."
                ),
                Key(
                    "max-pipes",
                    \.maxPipes,
                    .optional(.wholeNumber(0...4096)),
                    in: empty,
                    standard: "what the system's limits allow, 64 at most",
                    "Pipes with bytes that a slow side does not take, for each worker thread. When all are in use, the other directions copy."
                ),
                Key(
                    "grace",
                    \.grace,
                    .duration(),
                    in: empty,
                    "How long running connections may go on to their own end at a shutdown."
                ),
                Key(
                    "drain-delay",
                    \.drainDelay,
                    .duration(),
                    in: empty,
                    "How long new connections are still accepted at a shutdown, while `/readyz` already fails."
                ),
                Key(
                    "resolver",
                    \.resolver,
                    .optional(.resolver),
                    in: empty,
                    standard: "the system's resolver",
                    "Name server that resolves the names of servers. It receives them as they are written."
                ),
                Key(
                    "user",
                    \.user,
                    .optional(.text(1...256, example: "the name of a user")),
                    in: empty,
                    standard: "the user that started the process",
                    "User that the process switches to after binding its sockets, before it serves clients. A number needs quotes."
                ),
                Key(
                    "group",
                    \.group,
                    .optional(.text(1...256, example: "the name of a group")),
                    in: empty,
                    standard: "the user's own",
                    "The group that goes with it. A number needs quotes."
                ),
                Key(
                    "metrics",
                    \.metrics,
                    .orOff(.address),
                    in: empty,
                    "Where `/metrics`, `/clients`, `/healthz` and `/readyz` are served over HTTP."
                ),
                Key(
                    "control",
                    \.control,
                    .boolean,
                    in: empty,
                    "Whether servers can be drained, connections closed and this file reloaded over HTTP, at the address of "
                        + "`metrics`. Without a token that address must be a loopback address or a Unix socket."
                ),
                Key(
                    "admin-token-file",
                    \.adminTokenFile,
                    .optional(.text(1...4096, example: "the name of a file")),
                    in: empty,
                    standard: "no token is asked for",
                    "A file with the token that the address of `metrics` asks for, as `Authorization: Bearer TOKEN`; only "
                        + "`/healthz` and `/readyz` are answered without it."
                ),
                Key(
                    "events",
                    \.events,
                    .boolean,
                    in: empty,
                    "Whether each event of a connection is a line of standard output."
                ),
                Key("summary", \.summary, .durationOrOff(), in: empty, "How often a line tells the totals."),
                Key(
                    "access-log",
                    \.accessLog,
                    .orOff(.text(1...4096, example: "the path of a file, or \"-\" for standard output")),
                    in: empty,
                    "The file that gets a line for each connection at its end, [access-log.md](access-log.md); `\"-\"` is "
                        + "standard output."
                ),
                Key(
                    "access-log-format",
                    \.accessLogFormat,
                    .accessLogFormat,
                    in: empty,
                    "How its lines are written."
                ),
                Key("log-level", \.logLevel, .word, in: empty, "How much is logged to standard error."),
                Key("log-format", \.logFormat, .word, in: empty, "Plain text, or one JSON object a line."),
            ]
        )
    }
}

extension Section where Entry == ListenerEntry {
    static var listener: Self {
        let empty = ListenerEntry()
        return Self(
            name: "a listener",
            empty: empty,
            keys: [
                Key(
                    required: "listen",
                    \.listen,
                    .address,
                    placeholder: "127.0.0.1:5432",
                    "Where to listen. `:port` is all interfaces; port 0 takes a free one."
                ),
                Key(
                    required: "pool",
                    \.pool,
                    .text(1...64, example: "the name of a pool"),
                    placeholder: "NAME",
                    "The name of the pool that its clients are connected to."
                ),
                Key(
                    "connect-timeout",
                    \.timeouts.connectAttempt,
                    .durationOrOff(),
                    in: empty,
                    "For one attempt to connect to a server."
                ),
                Key(
                    "connect-deadline",
                    \.timeouts.connect,
                    .durationOrOff(),
                    in: empty,
                    "For all attempts of a connection together."
                ),
                Key(
                    "idle-timeout",
                    \.timeouts.idle,
                    .durationOrOff(),
                    in: empty,
                    "For a connection on which nothing moves in either direction."
                ),
                Key(
                    "half-close-timeout",
                    \.timeouts.halfClose,
                    .durationOrOff(),
                    in: empty,
                    "For a connection of which one direction has ended, and on whose other nothing moves."
                ),
                Key(
                    "lifetime",
                    \.timeouts.lifetime,
                    .durationOrOff(),
                    in: empty,
                    "For a connection in all, however busy."
                ),
                Key(
                    "keepalive",
                    \.keepAlive,
                    .orOff(.wholeSeconds(.seconds(1)...(.seconds(32_767)))),
                    in: empty,
                    "Silence before a peer, on either side, is probed, and between two probes."
                ),
                Key(
                    "user-timeout",
                    \.timeouts.user,
                    .durationOrOff(.milliseconds(1)...(.seconds(596 * 3600))),
                    in: empty,
                    "How long sent bytes may stay unacknowledged (TCP_USER_TIMEOUT, RFC 5482); `off` leaves it to the "
                        + "system."
                ),
                Key(
                    "backlog",
                    \.backlog,
                    .wholeNumber(1...65_535),
                    in: empty,
                    "Connections that may wait to be accepted, for each worker thread; the system's net.core.somaxconn "
                        + "caps it."
                ),
                Key(
                    "source",
                    \.sources,
                    .sources,
                    in: empty,
                    standard: "the system chooses",
                    "Local addresses for connections to servers. Several take turns, which gives more ports."
                ),
                Key(
                    "allow",
                    \.allow,
                    .networks,
                    in: empty,
                    standard: "every client that is not denied",
                    "Clients that are accepted. Of the networks in `allow` and `deny` that contain a client's address, the smallest counts."
                ),
                Key(
                    "deny",
                    \.deny,
                    .networks,
                    in: empty,
                    standard: "no client",
                    "Clients that are rejected."
                ),
                Key(
                    "max-connections",
                    \.maxConnections,
                    .optional(.wholeNumber(1...1_000_000)),
                    in: empty,
                    standard: "no limit",
                    "Connections to the listener at once. Further ones are reset."
                ),
                Key(
                    "max-connections-per-client",
                    \.maxConnectionsPerClient,
                    .optional(.wholeNumber(1...1_000_000)),
                    in: empty,
                    standard: "no limit",
                    "Connections of one client at once. IPv6 addresses with 64 bits in common are one client."
                ),
                Key(
                    "rate",
                    \.rate,
                    .orOff(.rate),
                    in: empty,
                    "New connections to the listener. Further ones are reset."
                ),
                Key("rate-per-client", \.ratePerClient, .orOff(.rate), in: empty, "New connections of one client."),
                Key(
                    "bandwidth",
                    \.bandwidth,
                    .orOff(.size(1...1_000_000_000_000)),
                    in: empty,
                    "Bytes a second that each direction of a connection may move."
                ),
                Key(
                    "accept-proxy",
                    \.acceptProxy,
                    .orOff(.word),
                    in: empty,
                    "Whether trusted proxies send the client's address in a PROXY protocol header."
                ),
                Key(
                    "trust",
                    \.trust,
                    .networks,
                    in: empty,
                    standard: "must be given for `accept-proxy`",
                    "Where these proxies are."
                ),
                Key(
                    "server-names",
                    \.serverNames,
                    .serverNames,
                    in: empty,
                    "Pools for TLS clients that ask for certain servers (SNI). All others go to `pool`."
                ),
                Key(
                    "application-protocols",
                    \.applicationProtocols,
                    .applicationProtocols,
                    in: empty,
                    "Pools for TLS clients that offer certain protocols (ALPN), whatever server they ask for."
                ),
                Key(
                    "preface-timeout",
                    \.timeouts.preface,
                    .durationOrOff(),
                    in: empty,
                    "For what is read before a server is chosen: the PROXY protocol's header, a TLS client's hello."
                ),
            ]
        )
    }
}

extension Section where Entry == PoolEntry {
    static var pool: Self {
        let empty = PoolEntry()
        return Self(
            name: "a pool",
            empty: empty,
            keys: [
                Key(
                    required: "servers",
                    \.servers,
                    .servers,
                    placeholder: "and below it a line such as - 10.0.0.1:5432",
                    "The servers: an address each, or a group of keys."
                ),
                Key("policy", \.policy, .word, in: empty, "How the server for a connection is chosen."),
                Key(
                    "check",
                    \.check,
                    .orOff(Section<CheckEntry>.check.kind),
                    in: empty,
                    "How servers are asked whether they can serve."
                ),
                Key(
                    "ejection",
                    \.ejection,
                    .orOff(Section<EjectionEntry>.ejection.kind),
                    in: empty,
                    standard: "on, with the defaults below",
                    "When a server is left out because clients' connects to it fail."
                ),
                Key(
                    "slow-start",
                    \.slowStart,
                    .durationOrOff(),
                    in: empty,
                    "How long a server that came up takes to get its whole share of connections."
                ),
                Key(
                    "queue",
                    \.queue,
                    Section<QueueEntry>.queue.kind,
                    in: empty,
                    standard: "the defaults below",
                    "Where connections wait when all servers have their `max-connections`."
                ),
                Key(
                    "when-down",
                    \.whenDown,
                    .word,
                    in: empty,
                    "What becomes of the running connections of a server that goes down."
                ),
                Key(
                    "when-all-down",
                    \.whenAllDown,
                    .word,
                    in: empty,
                    "What becomes of a new connection when all servers are down: it is refused at once, or servers are tried "
                        + "all the same."
                ),
                Key(
                    "send-proxy",
                    \.sendProxy,
                    .orOff(.word),
                    in: empty,
                    "Whether servers receive the client's address in a PROXY protocol header, and in which version."
                ),
                Key(
                    "resolve-interval",
                    \.resolveInterval,
                    .durationOrOff(),
                    in: empty,
                    "How often host names of servers are resolved again; `off` resolves them once."
                ),
            ]
        )
    }
}

extension Section where Entry == ServerEntry {
    static var server: Self {
        let empty = ServerEntry()
        return Self(
            name: "a server",
            empty: empty,
            keys: [
                Key(
                    required: "address",
                    \.address,
                    .serverAddress,
                    placeholder: "10.0.0.1:5432",
                    "Where it is. A name stands for all its addresses, and `srv:` and a service's name for all servers that the "
                        + "service's SRV records tell, with their ports, weights and priorities."
                ),
                Key(
                    "name",
                    \.name,
                    .name,
                    in: empty,
                    standard: "its address",
                    "What it is called in logs and metrics."
                ),
                Key(
                    "weight",
                    \.weight,
                    .wholeNumber(0...256),
                    in: empty,
                    "Its share of connections, beside the weights of the others; 0 gives it no new ones."
                ),
                Key("backup", \.backup, .boolean, in: empty, "Whether it serves only when all others are down."),
                Key(
                    "max-connections",
                    \.maxConnections,
                    .optional(.wholeNumber(1...1_000_000)),
                    in: empty,
                    standard: "no limit",
                    "Connections to it at once."
                ),
            ]
        )
    }
}

extension Section where Entry == CheckEntry {
    static var check: Self {
        let empty = CheckEntry()
        let range: ClosedRange<Duration> = .milliseconds(10)...(.seconds(24 * 3600))
        return Self(
            name: "a check",
            empty: empty,
            keys: [
                Key(required: "type", \.type, .word, placeholder: "tcp", "What is asked."),
                Key("interval", \.interval, .duration(range), in: empty, "Between two checks of a server."),
                Key("timeout", \.timeout, .duration(range), in: empty, "For the connection and the answer together."),
                Key("rise", \.rise, .wholeNumber(1...1000), in: empty, "Consecutive passes that bring a server up."),
                Key(
                    "fall",
                    \.fall,
                    .wholeNumber(1...1000),
                    in: empty,
                    "Consecutive failures that bring a server down."
                ),
                Key(
                    "port",
                    \.port,
                    .optional(.wholeNumber(1...65_535)),
                    in: empty,
                    standard: "the server's own",
                    "Where the check connects to."
                ),
                Key(
                    "initial",
                    \.initial,
                    .word,
                    in: empty,
                    "State of a server before its first result; `unknown` counts as up until the first result."
                ),
                Key(
                    "send",
                    \.send,
                    .text(0...4096, example: "a text"),
                    in: empty,
                    standard: "nothing",
                    "`send-expect`: what is sent; nothing, where the server speaks first."
                ),
                Key(
                    "expect",
                    \.expect,
                    .text(1...4096, example: "a text"),
                    in: empty,
                    standard: "must be given for `send-expect`",
                    "`send-expect`: what must be in the answer."
                ),
                Key(
                    "path",
                    \.path,
                    .visible(1...2048, example: "a path, such as /health"),
                    in: empty,
                    "`http`: what is asked for, beginning with a slash."
                ),
                Key(
                    "host",
                    \.host,
                    .visible(1...253, example: "a host name"),
                    in: empty,
                    "`http`: what the Host field says."
                ),
                Key(
                    "status",
                    \.status,
                    .statusCodes,
                    in: empty,
                    "`http`: the status codes of a server that is up."
                ),
                Key(
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
    static let types: [String: CheckEntry.CheckType] = [
        "send": .sendExpect, "expect": .sendExpect, "path": .http, "host": .http, "status": .http, "user": .postgres,
    ]
}

extension Section where Entry == EjectionEntry {
    static var ejection: Self {
        let empty = EjectionEntry()
        let range: ClosedRange<Duration> = .milliseconds(10)...(.seconds(24 * 3600))
        return Self(
            name: "an ejection",
            empty: empty,
            keys: [
                Key(
                    "consecutive-failures",
                    \.consecutiveFailures,
                    .orOff(.wholeNumber(1...10_000)),
                    in: empty,
                    "Consecutive failed connects after which a server is ejected."
                ),
                Key(
                    "failure-share",
                    \.failureShare,
                    .orOff(.share(1...100)),
                    in: empty,
                    "Such a share of failed connects within the window is too much."
                ),
                Key("window", \.window, .duration(range), in: empty, "How far the share looks back."),
                Key(
                    "minimum-attempts",
                    \.minimumAttempts,
                    .wholeNumber(1...1_000_000),
                    in: empty,
                    "Of fewer connects within the window the share says nothing."
                ),
                Key(
                    "base",
                    \.base,
                    .duration(range),
                    in: empty,
                    "How long a server is left out the first time; each further time is twice as long."
                ),
                Key("longest", \.longest, .duration(range), in: empty, "How long a server is left out at most."),
                Key(
                    "most-ejected",
                    \.mostEjected,
                    .share(0...100),
                    in: empty,
                    "Such a share of the pool's servers is left out at once at most."
                ),
            ]
        )
    }
}

extension Section where Entry == QueueEntry {
    static var queue: Self {
        let empty = QueueEntry()
        return Self(
            name: "a queue",
            empty: empty,
            keys: [
                Key(
                    "limit",
                    \.limit,
                    .wholeNumber(0...1_000_000),
                    in: empty,
                    "Connections that may wait; 0 is no queue."
                ),
                Key(
                    "timeout",
                    \.timeout,
                    .duration(.milliseconds(1)...WrittenDuration.longest),
                    in: empty,
                    "How long each may wait."
                ),
            ]
        )
    }
}
