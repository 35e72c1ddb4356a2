import ArgumentParser
import LoadBalancer
import Notation
import TCPProxy

/// Options for access lists, connection and rate limits, bandwidth limits and the PROXY protocol.
struct EntranceOptions: ParsableArguments {
    @Option(.network, "Clients that are accepted: an address or a network, several each with its own --allow.")
    var allow: [AddressBlock] = []

    @Option(.network, "Clients that are rejected; the smallest network that contains a client's address counts.")
    var deny: [AddressBlock] = []

    @Option(.wholeNumber(1...1_000_000), "Connections of one client at the same time; further ones are reset.")
    var maxConnectionsPerClient: Int?

    @Option(.rate, "New connections, such as 100/s or 100/s,burst=500; further ones are reset.")
    var rate: WrittenRate?

    @Option(.rate, "New connections of one client, such as 10/s.")
    var ratePerClient: WrittenRate?

    @Option(.size(1...1_000_000_000_000), "Bytes a second that each direction of a connection may move.")
    var bandwidth: WrittenSize?

    @Option(
        help: ArgumentHelp(
            "Whether trusted proxies send the client's address in a PROXY protocol header: required or optional.",
            valueName: "header"
        ),
        transform: { try word($0) }
    )
    var acceptProxy: TrustedProxies.Header?

    @Option(.network, "Where these proxies are: an address or a network, several each with its own --trust.")
    var trust: [AddressBlock] = []

    @Option(
        help: ArgumentHelp(
            "Send the client's address to servers in a PROXY protocol header: v1 or v2.",
            valueName: "version"
        ),
        transform: { try word($0) }
    )
    var sendProxy: ProxyProtocolVersion?

    @Option(.durationOrOff(), "For the header of the PROXY protocol to come, or off.")
    var prefaceTimeout = Switchable(Configuration.Timeouts().preface.map(WrittenDuration.init))

    func validate() throws {
        _ = try access
        if acceptProxy != nil, trust.isEmpty {
            throw ValidationError(
                "--accept-proxy needs --trust: write where the proxies are, such as --trust 10.0.0.0/8"
            )
        }
        if acceptProxy == nil, !trust.isEmpty {
            throw ValidationError(
                "--trust says nothing without --accept-proxy: write --accept-proxy required or optional"
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
