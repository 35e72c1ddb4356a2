import Sockets

// Validation of the settings of a listener.

extension ListenerConfiguration {
    /// Validates all settings except the routes, which refer to pools.
    ///
    /// - Throws: ``ProxyError/badSetting(name:value:allowed:)`` for the first setting that is out of range,
    ///   ``ProxyError/badSource(_:)`` for the first source address that this process cannot bind to.
    func check() throws(ProxyError) {
        try checkSettings()
        try checkSources()
    }

    /// Validates all settings except the source addresses and the routes.
    func checkSettings() throws(ProxyError) {
        func require(_ holds: Bool, _ name: String, _ value: Any, _ allowed: String) throws(ProxyError) {
            if !holds { throw .badSetting(name: name, value: "\(value)", allowed: allowed) }
        }
        try require((1...65_535).contains(backlog), "backlog", backlog, "1 to 65535")
        let durations: [(String, Duration?)] = [
            ("preread timeout", timeouts.preread), ("connect timeout", timeouts.connectAttempt),
            ("connect deadline", timeouts.connect),
            ("idle timeout", timeouts.idle), ("half-close timeout", timeouts.halfClose),
            ("lifetime", timeouts.lifetime), ("TCP user timeout", timeouts.user),
            ("keepalive interval", keepAlive?.interval),
        ]
        if let bandwidth {
            let allowed = 1...BandwidthBucket.maxRate
            try require(allowed.contains(bandwidth), "bandwidth", bandwidth, "1 to \(BandwidthBucket.maxRate)")
        }
        try accessPolicy.check()
        for (name, duration) in durations {
            guard let duration else { continue }
            try require(duration > .zero, name, duration, "greater than zero, or off")
        }
    }

    /// Checks that the process can bind to each source address.
    ///
    /// - Throws: ``ProxyError/badSource(_:)`` for the first address that cannot be bound.
    func checkSources() throws(ProxyError) {
        for address in sourceAddresses {
            do throws(SystemError) {
                try LinuxSystem.tryBinding(to: address)
            } catch {
                throw .badSource(SourceAddressError(address, error))
            }
        }
    }
}
