import ArgumentParser
import LoadBalancer
import TCPProxy
import ValueFormats

/// Options for access lists, connection and rate limits, bandwidth limits and the PROXY protocol.
struct AccessControlOptions: ReusedOptions {
    static let definition = Self(definition: ())

    init(definition: Void) {}

    private typealias Settings = AccessPolicy.Settings

    @Option(Settings.allow, .network)
    var allow: [CIDRBlock]

    @Option(Settings.deny, .network)
    var deny: [CIDRBlock]

    @Option(Settings.maxConnectionsPerClient)
    var maxConnectionsPerClient: Int?

    @Option(Settings.rate, .rate)
    var rate: Switchable<RateValue>

    @Option(Settings.ratePerClient, .rate)
    var ratePerClient: Switchable<RateValue>

    @Flag(Settings.limitsDryRun)
    var limitsDryRun: Bool

    @Option(ListenerConfiguration.Settings.bandwidth, .size(ListenerConfiguration.Settings.bandwidth.values.numbers))
    var bandwidth: Switchable<ByteSizeValue>

    @Option(
        ListenerConfiguration.Settings.bandwidthUpstream,
        .size(ListenerConfiguration.Settings.bandwidthUpstream.values.numbers)
    )
    var bandwidthUpstream: ByteSizeValue?

    @Option(
        ListenerConfiguration.Settings.bandwidthDownstream,
        .size(ListenerConfiguration.Settings.bandwidthDownstream.values.numbers)
    )
    var bandwidthDownstream: ByteSizeValue?

    @Option(Settings.acceptProxy, .word(named: "header"))
    var acceptProxy: Switchable<TrustedProxies.Header>

    @Option(Settings.trustedProxies, .trustedSource)
    var trustedProxies: [TrustedSource]

    @Option(PoolConfiguration.Settings.sendProxy, .word(named: "version"))
    var sendProxy: Switchable<ProxyProtocolVersion>

    @Option(ListenerConfiguration.Settings.prereadTimeout)
    var prereadTimeout: Switchable<DurationValue>

    func validate() throws {
        _ = try access
        if acceptProxy.value != nil, trustedProxies.isEmpty {
            throw ValidationError(
                "--accept-proxy requires --trusted-proxies: add the addresses of the proxies, such as --trusted-proxies 10.0.0.0/8"
            )
        }
        if acceptProxy.value == nil, !trustedProxies.isEmpty {
            throw ValidationError(
                "--trusted-proxies has no effect without --accept-proxy: add --accept-proxy required or optional"
            )
        }
    }

    private var access: AccessList? {
        get throws { allow.isEmpty && deny.isEmpty ? nil : try AccessList(allow: allow, deny: deny) }
    }

    func apply(to listener: inout ListenerConfiguration) {
        // `validate()` has already reported errors of the lists.
        listener.accessPolicy.access = try? access
        listener.accessPolicy.maxConnectionsPerClient = maxConnectionsPerClient
        listener.accessPolicy.rate = rate.value?.rate
        listener.accessPolicy.ratePerClient = ratePerClient.value?.rate
        listener.accessPolicy.limitsDryRun = limitsDryRun
        listener.accessPolicy.proxies = acceptProxy.value.map { TrustedProxies(header: $0, sources: trustedProxies) }
        listener.bandwidth = bandwidth.value?.bytes
        listener.bandwidthUpstream = bandwidthUpstream?.bytes
        listener.bandwidthDownstream = bandwidthDownstream?.bytes
        listener.timeouts.preread = prereadTimeout.value?.duration
    }
}

extension ValueReader where Value == CIDRBlock {
    static var network: Self {
        Self(name: "network") { text in try CIDRBlock(parsing: text) }
    }
}

extension ValueReader where Value == TrustedSource {
    static var trustedSource: Self {
        Self(name: "network") { text in try TrustedSource(parsing: text) }
    }
}

extension ValueReader where Value == RateValue {
    static var rate: Self {
        Self(name: "rate") { text in try RateValue(parsing: text) }
    }
}
