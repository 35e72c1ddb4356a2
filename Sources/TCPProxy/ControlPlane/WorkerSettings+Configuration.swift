import ProcessSupport
import Sockets

// Conversion of the public configuration to the settings of workers and sockets.

extension SocketOptions {
    init(_ listener: ListenerConfiguration) {
        self.init(keepAlive: listener.keepAlive, tcpUserTimeout: listener.timeouts.user)
    }
}

extension WorkerSettings {
    init(_ configuration: ProxyConfiguration) {
        self.init(
            engine: configuration.engine,
            pipes: configuration.pipesPerWorker(descriptorLimit: DescriptorLimit.current)
        )
    }
}

extension ListenerSettings {
    /// - Parameters:
    ///   - pool: number of the default pool.
    ///   - routes: pools chosen by SNI and ALPN; nil if ClientHellos are not read.
    init(_ listener: ListenerConfiguration, pool: Int, routes: TLSRouter? = nil) {
        self.init(
            pool: pool,
            routes: routes,
            accessPolicy: listener.accessPolicy,
            bandwidth: listener.bandwidth.flatMap(BandwidthBucket.init(bytesPerSecond:)),
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
            resetDrainTimeout: listener.timeouts.resetDrainTimeout,
            hasRules: routes != nil || listener.bandwidth != nil || !listener.accessPolicy.isOpen
        )
    }
}
