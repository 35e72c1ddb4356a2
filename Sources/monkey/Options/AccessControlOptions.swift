import ArgumentParser
import LoadBalancer
import ValueFormats
import TCPProxy

/// Options for access lists, connection and rate limits, bandwidth limits and the PROXY protocol.
struct AccessControlOptions: ParsableArguments {
    @Option(.network, "Allowed clients: an IP address or a network; can be repeated.")
    var allow: [CIDRBlock] = []

    @Option(.network, "Denied clients, like --allow; the most specific network that contains the client decides.")
    var deny: [CIDRBlock] = []

    @Option(.wholeNumber(1...1_000_000), "Maximum concurrent connections of one client; further ones are reset.")
    var maxConnectionsPerClient: Int?

    @Option(.rate, "Rate limit for new connections, such as 100/s or 100/s,burst=500; further ones are reset.")
    var rate: RateValue?

    @Option(.rate, "Rate limit for new connections of one client, such as 10/s.")
    var ratePerClient: RateValue?

    @Option(.size(1...1_000_000_000_000), "Maximum bytes per second in each direction of a connection.")
    var bandwidth: ByteSizeValue?

    @Option(
        help: ArgumentHelp(
            "Whether trusted proxies send the client's address in a PROXY protocol header: required or optional.",
            valueName: "header"
        ),
        transform: { try word($0) }
    )
    var acceptProxy: TrustedProxies.Header?

    @Option(.network, "Trusted proxies: an IP address or a network; can be repeated.")
    var trustedProxies: [CIDRBlock] = []

    @Option(
        help: ArgumentHelp(
            "Send the client's address to servers in a PROXY protocol header: v1 or v2.",
            valueName: "version"
        ),
        transform: { try word($0) }
    )
    var sendProxy: ProxyProtocolVersion?

    @Option(.durationOrOff(), "Timeout for receiving the PROXY protocol header, or off.")
    var prereadTimeout = Switchable(ListenerConfiguration.Timeouts().preread.map(DurationValue.init))

    func validate() throws {
        _ = try access
        if acceptProxy != nil, trustedProxies.isEmpty {
            throw ValidationError(
                "--accept-proxy requires --trusted-proxies: add the addresses of the proxies, such as --trusted-proxies 10.0.0.0/8"
            )
        }
        if acceptProxy == nil, !trustedProxies.isEmpty {
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
        listener.accessPolicy.rate = rate?.rate
        listener.accessPolicy.ratePerClient = ratePerClient?.rate
        listener.accessPolicy.proxies = acceptProxy.map { TrustedProxies(header: $0, networks: trustedProxies) }
        listener.bandwidth = bandwidth?.bytes
        listener.timeouts.preread = prereadTimeout.value?.duration
    }
}

/// Parses one of the words of an enumeration.
private func word<Word: RawRepresentable & CaseIterable>(_ text: String) throws -> Word where Word.RawValue == String {
    guard let word = Word(rawValue: text) else {
        throw CommandError("write \(Word.allCases.map(\.rawValue).joined(separator: " or "))")
    }
    return word
}

extension ValueReader where Value == CIDRBlock {
    static var network: Self {
        Self(name: "network") { text in try CIDRBlock(parsing: text) }
    }
}

extension ValueReader where Value == RateValue {
    static var rate: Self {
        Self(name: "rate") { text in RateValue(text: text, rate: try TokenRate(parsing: text)) }
    }
}
