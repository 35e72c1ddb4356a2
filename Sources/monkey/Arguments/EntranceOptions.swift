import ArgumentParser
import LoadBalancer
import Notation
import TCPProxy

/// Options for access lists, connection and rate limits, bandwidth limits and the PROXY protocol.
struct EntranceOptions: ParsableArguments {
    @Option(.network, "Allowed clients: an IP address or a network; can be repeated.")
    var allow: [AddressBlock] = []

    @Option(.network, "Denied clients, like --allow; the most specific network that contains the client decides.")
    var deny: [AddressBlock] = []

    @Option(.wholeNumber(1...1_000_000), "Maximum concurrent connections of one client; further ones are reset.")
    var maxConnectionsPerClient: Int?

    @Option(.rate, "Rate limit for new connections, such as 100/s or 100/s,burst=500; further ones are reset.")
    var rate: WrittenRate?

    @Option(.rate, "Rate limit for new connections of one client, such as 10/s.")
    var ratePerClient: WrittenRate?

    @Option(.size(1...1_000_000_000_000), "Maximum bytes per second in each direction of a connection.")
    var bandwidth: WrittenSize?

    @Option(
        help: ArgumentHelp(
            "Whether trusted proxies send the client's address in a PROXY protocol header: required or optional.",
            valueName: "header"
        ),
        transform: { try word($0) }
    )
    var acceptProxy: TrustedProxies.Header?

    @Option(.network, "Trusted proxies: an IP address or a network; can be repeated.")
    var trust: [AddressBlock] = []

    @Option(
        help: ArgumentHelp(
            "Send the client's address to servers in a PROXY protocol header: v1 or v2.",
            valueName: "version"
        ),
        transform: { try word($0) }
    )
    var sendProxy: ProxyProtocolVersion?

    @Option(.durationOrOff(), "Timeout for receiving the PROXY protocol header, or off.")
    var prefaceTimeout = Switchable(Configuration.Timeouts().preface.map(WrittenDuration.init))

    func validate() throws {
        _ = try access
        if acceptProxy != nil, trust.isEmpty {
            throw ValidationError(
                "--accept-proxy requires --trust: add the addresses of the proxies, such as --trust 10.0.0.0/8"
            )
        }
        if acceptProxy == nil, !trust.isEmpty {
            throw ValidationError(
                "--trust has no effect without --accept-proxy: add --accept-proxy required or optional"
            )
        }
    }

    private var access: AccessList? {
        get throws { allow.isEmpty && deny.isEmpty ? nil : try AccessList(allow: allow, deny: deny) }
    }

    func apply(to configuration: inout Configuration) {
        // `validate()` has already reported errors of the lists.
        configuration.entrance.access = try? access
        configuration.entrance.maxConnectionsPerClient = maxConnectionsPerClient
        configuration.entrance.rate = rate?.rate
        configuration.entrance.ratePerClient = ratePerClient?.rate
        configuration.entrance.proxies = acceptProxy.map { TrustedProxies(header: $0, networks: trust) }
        configuration.bandwidth = bandwidth?.bytes
        configuration.timeouts.preface = prefaceTimeout.value?.duration
    }
}

/// Parses one of the words of an enumeration.
private func word<Word: RawRepresentable & CaseIterable>(_ text: String) throws -> Word where Word.RawValue == String {
    guard let word = Word(rawValue: text) else {
        throw Failure("write \(Word.allCases.map(\.rawValue).joined(separator: " or "))")
    }
    return word
}

extension ValueReader where Value == AddressBlock {
    static var network: Self {
        Self(name: "network") { text in try AddressBlock(parsing: text) }
    }
}

extension ValueReader where Value == WrittenRate {
    static var rate: Self {
        Self(name: "rate") { text in WrittenRate(text: text, rate: try TokenRate(parsing: text)) }
    }
}

extension ValueReader where Value == WrittenSize {
    static func size(_ range: ClosedRange<Int>) -> Self {
        Self(name: "bytes") { text in try WrittenSize(parsing: text, in: range) }
    }
}
