import TCPProxy
import ValueFormats

// Definition of all keys of the file; the parser, the JSON schema and the documentation tests use these tables. A new
// key needs a `SettingDescriptor`, a property of its entry and an element here.

extension ObjectSchema where Entry == ConfigurationFile {
    static var root: Self {
        let empty = ConfigurationFile()
        return Self(
            name: "the file",
            empty: empty,
            keys: [
                KeySchema(
                    required: ConfigurationFile.Settings.listeners,
                    \.listeners,
                    ObjectSchema<ListenerSection>.listener.named(max: ConfigurationFile.maxListeners, \.name),
                    placeholder: "{NAME: {listen: ADDRESS, pool: POOL}}"
                ),
                KeySchema(
                    required: ConfigurationFile.Settings.pools,
                    \.pools,
                    ObjectSchema<PoolSection>.pool.named(max: ConfigurationFile.maxPools, \.name),
                    placeholder: "{NAME: {servers: [ADDRESS]}}"
                ),
                KeySchema(
                    ConfigurationFile.Settings.limits,
                    \.limits,
                    ObjectSchema<LimitsSection>.limits.named(max: ConfigurationFile.maxLimits, \.name),
                    in: empty
                ),
                KeySchema(ConfigurationFile.Settings.include, \.include, .includes, in: empty),
                KeySchema(ProxyConfiguration.Settings.threads, \.threads, in: empty),
                KeySchema(ProxyConfiguration.Settings.maxConnections, \.maxConnections, in: empty),
                KeySchema(ProxyConfiguration.Settings.engine, \.engine, in: empty),
                KeySchema(ProxyConfiguration.Settings.maxPipes, \.maxPipes, in: empty),
                KeySchema(ProxyConfiguration.Settings.grace, \.grace, in: empty),
                KeySchema(ProxyConfiguration.Settings.drainDelay, \.drainDelay, in: empty),
                KeySchema(ConfigurationFile.Settings.resolver, \.resolver, .optional(.resolver), in: empty),
                KeySchema(ConfigurationFile.Settings.user, \.user, example: "the name of a user", in: empty),
                KeySchema(ConfigurationFile.Settings.group, \.group, example: "the name of a group", in: empty),
                KeySchema(ConfigurationFile.Settings.pidFile, \.pidFile, example: "the path of a file", in: empty),
                KeySchema(ConfigurationFile.Settings.admin, alias: "metrics", \.admin, .orOff(.address), in: empty),
                KeySchema(ConfigurationFile.Settings.adminAPI, \.adminAPI, in: empty),
                KeySchema(
                    ConfigurationFile.Settings.adminTokenFile,
                    \.adminTokenFile,
                    example: "the name of a file",
                    in: empty
                ),
                KeySchema(ConfigurationFile.Settings.watchCertificates, \.watchCertificates, in: empty),
                KeySchema(ConfigurationFile.Settings.events, \.events, in: empty),
                KeySchema(ConfigurationFile.Settings.summary, \.summary, .summaryInterval, in: empty),
                KeySchema(
                    ConfigurationFile.Settings.accessLog,
                    \.accessLog,
                    example: "the path of a file, or \"-\" for standard output",
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
                    required: ListenerConfiguration.Settings.listen,
                    \.listen,
                    .address,
                    placeholder: "127.0.0.1:5432"
                ),
                KeySchema(
                    required: ListenerConfiguration.Settings.pool,
                    \.pool,
                    .text(ListenerConfiguration.Settings.pool, example: "the name of a pool"),
                    placeholder: "NAME"
                ),
                KeySchema(ListenerConfiguration.Settings.connectTimeout, \.timeouts.connectAttempt, in: empty),
                KeySchema(ListenerConfiguration.Settings.connectDeadline, \.timeouts.connect, in: empty),
                KeySchema(ListenerConfiguration.Settings.idleTimeout, \.timeouts.idle, in: empty),
                KeySchema(ListenerConfiguration.Settings.halfCloseTimeout, \.timeouts.halfClose, in: empty),
                KeySchema(ListenerConfiguration.Settings.halfClose, \.halfClose, in: empty),
                KeySchema(ListenerConfiguration.Settings.lifetime, \.timeouts.lifetime, in: empty),
                KeySchema(ListenerConfiguration.Settings.lifetimeJitter, \.timeouts.lifetimeJitter, in: empty),
                KeySchema(ListenerConfiguration.Settings.keepAlive, \.keepAlive, in: empty),
                KeySchema(ListenerConfiguration.Settings.tcpUserTimeout, \.timeouts.user, in: empty),
                KeySchema(ListenerConfiguration.Settings.backlog, \.backlog, in: empty),
                KeySchema(ListenerConfiguration.Settings.socketMode, \.mode, .optional(.fileMode), in: empty),
                KeySchema(
                    ListenerConfiguration.Settings.socketOwner,
                    \.owner,
                    example: "the name of a user",
                    in: empty
                ),
                KeySchema(
                    ListenerConfiguration.Settings.socketGroup,
                    \.group,
                    example: "the name of a group",
                    in: empty
                ),
                KeySchema(ListenerConfiguration.Settings.source, \.sources, .sources, in: empty),
                KeySchema(AccessPolicy.Settings.allow, \.allow, .networks, in: empty),
                KeySchema(AccessPolicy.Settings.deny, \.deny, .networks, in: empty),
                KeySchema(AccessPolicy.Settings.maxConnections, \.maxConnections, in: empty),
                KeySchema(AccessPolicy.Settings.maxConnectionsPerClient, \.maxConnectionsPerClient, in: empty),
                KeySchema(AccessPolicy.Settings.rate, \.rate, .orOff(.rate), in: empty),
                KeySchema(AccessPolicy.Settings.ratePerClient, \.ratePerClient, .orOff(.rate), in: empty),
                KeySchema(AccessPolicy.Settings.limitsDryRun, \.limitsDryRun, in: empty),
                KeySchema(ListenerConfiguration.Settings.limits, \.limits, example: "the name of limits", in: empty),
                KeySchema(ListenerConfiguration.Settings.bandwidth, \.bandwidth, in: empty),
                KeySchema(ListenerConfiguration.Settings.bandwidthUpstream, \.bandwidthUpstream, in: empty),
                KeySchema(ListenerConfiguration.Settings.bandwidthDownstream, \.bandwidthDownstream, in: empty),
                KeySchema(AccessPolicy.Settings.acceptProxy, \.acceptProxy, in: empty),
                KeySchema(AccessPolicy.Settings.trustedProxies, \.trustedProxies, .trustedSources, in: empty),
                KeySchema(ListenerConfiguration.Settings.sni, \.sniPatterns, .sniPatterns, in: empty),
                KeySchema(ListenerConfiguration.Settings.alpn, \.alpnProtocols, .alpnProtocols, in: empty),
                KeySchema(ListenerConfiguration.Settings.plain, \.plainPool, example: "the name of a pool", in: empty),
                KeySchema(ListenerConfiguration.Settings.prereadTimeout, \.timeouts.preread, in: empty),
                KeySchema(ListenerConfiguration.Settings.connectionProtocol, \.connectionProtocol, in: empty),
                KeySchema(
                    ListenerTLS.Settings.tls,
                    \.tls,
                    .optional(ObjectSchema<ListenerTLSSection>.listenerTLS.valueSchema),
                    in: empty
                ),
                KeySchema(ListenerConfiguration.Settings.handshakeTimeout, \.timeouts.handshake, in: empty),
            ]
        )
    }
}

extension ObjectSchema where Entry == RouteTargetSection {
    static var route: Self {
        let empty = RouteTargetSection()
        return Self(
            name: "a route",
            empty: empty,
            keys: [
                KeySchema(
                    required: TLSAction.Settings.pool,
                    \.pool,
                    .text(TLSAction.Settings.pool, example: "the name of a pool"),
                    placeholder: "NAME"
                ),
                KeySchema(TLSAction.Settings.tls, \.tls, .optional(.word), in: empty),
                KeySchema(TLSAction.Settings.certificate, \.certificate, .optional(.path), in: empty),
            ]
        )
    }
}

extension ObjectSchema where Entry == ListenerTLSSection {
    static var listenerTLS: Self {
        let empty = ListenerTLSSection()
        return Self(
            name: "tls of a listener",
            empty: empty,
            keys: [
                KeySchema(
                    required: ListenerTLS.Settings.certificates,
                    \.certificates,
                    .certificates,
                    placeholder: "[{certificate: cert.pem, key: key.pem}]"
                ),
                KeySchema(ListenerTLS.Settings.unknownName, \.unknownName, in: empty),
                KeySchema(ListenerTLS.Settings.unrouted, \.unrouted, in: empty),
                KeySchema(ListenerTLS.Settings.clientCertificates, \.clientCertificates, in: empty),
                KeySchema(ListenerTLS.Settings.clientCA, \.clientCA, example: "the path of a file", in: empty),
                KeySchema(ListenerTLS.Settings.clientNames, \.clientNames, .clientNames, in: empty),
                KeySchema(ListenerTLS.Settings.sessionTickets, \.sessionTickets, in: empty),
                KeySchema(ListenerTLS.Settings.sessionTicketRotation, \.sessionTicketRotation, in: empty),
                KeySchema(
                    ListenerTLS.Settings.sessionTicketKeys,
                    \.sessionTicketKeys,
                    example: "the path of a file",
                    in: empty
                ),
                KeySchema(ListenerTLS.Settings.handshakeRate, \.handshakeRate, .orOff(.rate), in: empty),
                KeySchema(ListenerTLS.Settings.requireCloseNotify, \.requireCloseNotify, in: empty),
                KeySchema(ListenerTLS.Settings.alpn, \.alpn, .protocols, in: empty),
                KeySchema(ListenerTLS.Settings.minVersion, \.minVersion, in: empty),
                KeySchema(ListenerTLS.Settings.ciphers, \.ciphers, example: "names of cipher suites", in: empty),
                KeySchema(ListenerTLS.Settings.groups, \.groups, example: "names of groups", in: empty),
            ]
        )
    }
}

extension ObjectSchema where Entry == CertificateSection {
    static var certificate: Self {
        Self(
            name: "a certificate",
            empty: CertificateSection(),
            keys: [
                KeySchema(
                    required: ListenerTLS.Settings.certificate,
                    \.certificate,
                    .path,
                    placeholder: "cert.pem"
                ),
                KeySchema(required: ListenerTLS.Settings.key, \.key, .path, placeholder: "key.pem"),
                KeySchema(ListenerTLS.Settings.ocsp, \.ocsp, example: "the path of a file", in: CertificateSection()),
            ]
        )
    }
}

extension ObjectSchema where Entry == PoolTLSSection {
    static var poolTLS: Self {
        let empty = PoolTLSSection()
        return Self(
            name: "tls of a pool",
            empty: empty,
            keys: [
                KeySchema(PoolTLS.Settings.verify, \.verify, .optional(.word), in: empty),
                KeySchema(PoolTLS.Settings.ca, \.ca, example: "the path of a file", in: empty),
                KeySchema(PoolTLS.Settings.serverName, \.serverName, example: "a host name", in: empty),
                KeySchema(PoolTLS.Settings.certificate, \.certificate, example: "the path of a file", in: empty),
                KeySchema(PoolTLS.Settings.key, \.key, example: "the path of a file", in: empty),
                KeySchema(PoolTLS.Settings.alpn, \.alpn, .protocols, in: empty),
                KeySchema(PoolTLS.Settings.requireCloseNotify, \.requireCloseNotify, in: empty),
                KeySchema(ListenerTLS.Settings.minVersion, \.minVersion, in: empty),
                KeySchema(ListenerTLS.Settings.ciphers, \.ciphers, example: "names of cipher suites", in: empty),
                KeySchema(ListenerTLS.Settings.groups, \.groups, example: "names of groups", in: empty),
            ]
        )
    }
}

extension ObjectSchema where Entry == LimitsSection {
    static var limits: Self {
        let empty = LimitsSection()
        return Self(
            name: "limits",
            empty: empty,
            keys: [
                KeySchema(AccessPolicy.Settings.maxConnections, \.maxConnections, in: empty),
                KeySchema(AccessPolicy.Settings.maxConnectionsPerClient, \.maxConnectionsPerClient, in: empty),
                KeySchema(AccessPolicy.Settings.rate, \.rate, .orOff(.rate), in: empty),
                KeySchema(AccessPolicy.Settings.ratePerClient, \.ratePerClient, .orOff(.rate), in: empty),
                KeySchema(AccessPolicy.Settings.limitsDryRun, \.limitsDryRun, in: empty),
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
                    required: PoolConfiguration.Settings.servers,
                    \.servers,
                    .servers,
                    placeholder: "[10.0.0.1:5432]"
                ),
                KeySchema(PoolConfiguration.Settings.policy, \.policy, in: empty),
                KeySchema(PoolConfiguration.Settings.fastestBy, \.fastestBy, in: empty),
                KeySchema(PoolConfiguration.Settings.fastestTolerance, \.fastestTolerance, in: empty),
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
                    PoolConfiguration.Settings.queue,
                    \.queue,
                    ObjectSchema<QueueSection>.queue.valueSchema,
                    in: empty
                ),
                KeySchema(PoolConfiguration.Settings.retry, \.retry, in: empty),
                KeySchema(PoolSettings.Settings.onServerDown, \.onServerDown, in: empty),
                KeySchema(PoolConfiguration.Settings.onAllDown, \.onAllDown, in: empty),
                KeySchema(PoolConfiguration.Settings.sendProxy, \.sendProxy, in: empty),
                KeySchema(PoolConfiguration.Settings.connectionProtocol, \.connectionProtocol, in: empty),
                KeySchema(
                    PoolTLS.Settings.tls,
                    \.tls,
                    .optional(ObjectSchema<PoolTLSSection>.poolTLS.valueSchema),
                    in: empty
                ),
                KeySchema(PoolSettings.Settings.resolver, \.resolver, .optional(.resolver), in: empty),
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
                    required: ServerConfiguration.Settings.address,
                    \.address,
                    .serverAddress,
                    placeholder: "10.0.0.1:5432"
                ),
                KeySchema(ServerConfiguration.Settings.name, \.name, .name, in: empty),
                KeySchema(ServerConfiguration.Settings.weight, \.weight, in: empty),
                KeySchema(ServerConfiguration.Settings.backup, \.backup, in: empty),
                KeySchema(ServerConfiguration.Settings.maxConnections, \.maxConnections, in: empty),
                KeySchema(ServerSection.Settings.resolve, \.resolve, in: empty),
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
                KeySchema(required: HealthCheck.Settings.type, \.type, .word, placeholder: "tcp"),
                KeySchema(HealthCheck.Settings.interval, \.interval, in: empty),
                KeySchema(HealthCheck.Settings.timeout, \.timeout, in: empty),
                KeySchema(HealthCheck.Settings.rise, \.rise, in: empty),
                KeySchema(HealthCheck.Settings.fall, \.fall, in: empty),
                KeySchema(HealthCheck.Settings.port, \.port, in: empty),
                KeySchema(HealthCheck.Settings.initial, \.initial, in: empty),
                KeySchema(HealthCheck.Settings.tls, \.tls, .optional(.checkTLS), in: empty),
                KeySchema(HealthCheck.Settings.send, \.send, example: "text", in: empty),
                KeySchema(HealthCheck.Settings.expect, \.expect, example: "text", in: empty),
                KeySchema(HealthCheck.Settings.steps, \.steps, .steps, in: empty),
                KeySchema(HealthCheck.Settings.path, \.path, example: "a path, such as /health", in: empty),
                KeySchema(HealthCheck.Settings.host, \.host, example: "a host name", in: empty),
                KeySchema(HealthCheck.Settings.status, \.status, .statusCodes, in: empty),
                KeySchema(HealthCheck.Settings.user, \.user, example: "the name of a user", in: empty),
                KeySchema(HealthCheck.Settings.role, \.role, .optional(.word), in: empty),
            ]
        )
    }

    /// The keys that are valid for some check types only.
    static let types: [String: [HealthCheckSection.CheckType]] = [
        "send": [.sendExpect], "expect": [.sendExpect], "steps": [.sendExpect], "path": [.http], "host": [.http],
        "status": [.http], "user": [.postgres, .mysql], "role": [.redis],
    ]
}

extension ObjectSchema where Entry == StepSection {
    static var step: Self {
        let empty = StepSection()
        return Self(
            name: "a step",
            empty: empty,
            keys: [
                KeySchema(HealthCheck.StepSettings.send, \.send, example: "text", in: empty),
                KeySchema(
                    required: HealthCheck.StepSettings.expect,
                    \.expect,
                    .text(HealthCheck.StepSettings.expect, example: "text"),
                    placeholder: "TEXT"
                ),
            ]
        )
    }
}

extension ObjectSchema where Entry == EjectionSettings {
    static var ejection: Self {
        let empty = EjectionSettings()
        return Self(
            name: "an ejection",
            empty: empty,
            keys: [
                KeySchema(EjectionSettings.Settings.consecutiveFailures, \.consecutiveFailures, in: empty),
                KeySchema(EjectionSettings.Settings.failureRate, \.failureRate, in: empty),
                KeySchema(EjectionSettings.Settings.window, \.window, in: empty),
                KeySchema(EjectionSettings.Settings.minAttempts, \.minAttempts, in: empty),
                KeySchema(EjectionSettings.Settings.baseTime, \.baseTime, in: empty),
                KeySchema(EjectionSettings.Settings.maxTime, \.maxTime, in: empty),
                KeySchema(EjectionSettings.Settings.maxPercent, \.maxPercentEjected, in: empty),
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
