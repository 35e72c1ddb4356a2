import ProcessSupport
import Sockets

// Conversion of the public configuration to the settings of workers and sockets.

extension SocketOptions {
    init(_ listener: ListenerConfiguration) {
        self.init(keepAlive: listener.keepAlive, tcpUserTimeout: listener.timeouts.user)
    }
}

extension WorkerSettings {
    init(_ configuration: ProxyConfiguration, listeners: Int = 1) {
        self.init(
            engine: configuration.engine,
            pipes: configuration.pipesPerWorker(descriptorLimit: DescriptorLimit.current, listeners: listeners)
        )
    }
}

extension ListenerSettings {
    /// - Parameters:
    ///   - pool: number of the default pool.
    ///   - routes: pools chosen by SNI and ALPN; nil if ClientHellos are not read.
    ///   - tls: TLS with clients; nil relays their bytes as they are.
    init(_ listener: ListenerConfiguration, pool: Int, routes: TLSRouter? = nil, tls: ListenerTLSPlan? = nil) {
        let bandwidth = BandwidthAllowance(
            upstream: listener.bandwidthUpstream ?? listener.bandwidth,
            downstream: listener.bandwidthDownstream ?? listener.bandwidth
        )
        let isPostgres = listener.connectionProtocol == .postgres
        let readsClientHello = routes != nil || tls?.needsName == true || isPostgres
        self.init(
            pool: pool,
            routes: routes,
            tls: tls,
            accessPolicy: listener.accessPolicy,
            bandwidth: bandwidth,
            deadlines: ConnectionTimeouts(
                timeouts: listener.timeouts,
                keepAlive: listener.keepAlive.map { min($0.interval, WorkerSettings.keepAliveAge) }
            ),
            socketOptions: SocketOptions(tcpUserTimeout: listener.timeouts.user),
            keepAlive: listener.keepAlive,
            sources: listener.sourceAddresses.map { address in
                var address = address
                address.port = 0
                return RawAddress(address)
            },
            closesOnHalfClose: listener.halfClose == .close,
            resetDrainTimeout: listener.timeouts.resetDrainTimeout,
            readsClientHello: readsClientHello,
            hasTLS: tls != nil,
            isPostgres: isPostgres,
            servesTLS: routes != nil || tls != nil,
            startsWithHandshake: tls != nil && !readsClientHello,
            hasRules: readsClientHello || tls != nil || bandwidth != nil || !listener.accessPolicy.isOpen,
            hasLimits: listener.accessPolicy.hasLimits || tls?.configuration.handshakeRate != nil,
            mayPreread: readsClientHello || listener.accessPolicy.proxies != nil
        )
    }
}
