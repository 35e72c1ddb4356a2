import Sockets

@testable import TCPProxy

/// Networks whose proxies are trusted; a proxy in these; and a client outside.
private let networks = [CIDRBlock(InternetAddress(v4: 0x0A0A_0A0A, port: 0))]
let trustedProxy = PeerAddress("10.10.10.10:5000")
let untrustedClient = PeerAddress("203.0.113.1:5000")
let headerLine = "PROXY TCP4 192.0.2.7 198.51.100.1 1234 443\r\n"

/// Returns a change of a configuration that trusts the proxies.
func trusting(
    _ header: TrustedProxies.Header,
    configure: @escaping (inout SingleListenerSettings) -> Void = { _ in }
) -> (inout SingleListenerSettings) -> Void {
    { configuration in
        configuration.accessPolicy.proxies = TrustedProxies(header: header, networks: networks)
        configure(&configuration)
    }
}

/// A header of version 2 about the same connection, with a field of unknown type.
func binaryHeader(fields: [UInt8] = [0xE0, 0, 2, 1, 2]) throws -> [UInt8] {
    try ProxyProtocolHeader.write(
        .v2,
        .addresses(source: SocketAddress("192.0.2.7:1234"), destination: SocketAddress("198.51.100.1:443")),
        tlvs: fields
    )
}
