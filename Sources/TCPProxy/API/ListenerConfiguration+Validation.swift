import Sockets
import ValueFormats

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
        try Settings.backlog.check(backlog)
        try Settings.prereadTimeout.check(timeouts.preread)
        try Settings.handshakeTimeout.check(timeouts.handshake)
        try Settings.connectTimeout.check(timeouts.connectAttempt)
        try Settings.connectDeadline.check(timeouts.connect)
        try Settings.idleTimeout.check(timeouts.idle)
        try Settings.halfCloseTimeout.check(timeouts.halfClose)
        try Settings.lifetime.check(timeouts.lifetime)
        try Settings.lifetimeJitter.check(timeouts.lifetimeJitter)
        try Settings.tcpUserTimeout.check(timeouts.user)
        try Settings.keepAlive.check(keepAlive?.interval)
        try Settings.bandwidth.check(bandwidth)
        try Settings.bandwidthUpstream.check(bandwidthUpstream)
        try Settings.bandwidthDownstream.check(bandwidthDownstream)
        try accessPolicy.check()
        if case .socket(.unix) = address, let proxies = accessPolicy.proxies, !proxies.trustsUnixSockets {
            throw .badSetting(
                name: "trusted-proxies of listener \(name)",
                value: proxies.networks.map(\.description).joined(separator: ", "),
                allowed: "unix, because the peers of a Unix socket have no network address"
            )
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
