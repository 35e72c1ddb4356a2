import Sockets

/// What a proxy before us says of a connection, ahead of the client's own bytes: the header of the PROXY protocol,
/// version 1 or 2 (haproxy.org, doc/proxy-protocol.txt).
struct ProxyHeader: Hashable, Sendable {
    typealias Version = ProxyProtocolVersion

    /// Between whom the connection is that the header speaks of.
    enum Origin: Hashable, Sendable {
        /// The sender speaks for itself, as for a health check: LOCAL. The connection's own addresses count.
        case local
        /// The sender does not know, or has no name for it: UNKNOWN, UNSPEC, datagrams. The connection's own addresses
        /// count.
        case unknown
        case internet(source: InternetAddress, destination: InternetAddress)
        /// Unix sockets. The two paths, of 108 bytes each, are at this place in the header.
        case unix(paths: Range<Int>)
    }

    let version: Version
    /// Bytes of the header; the client's own begin behind them.
    let length: Int
    let origin: Origin
    /// Where in the header its type-length-values are, whole ones and nothing else; empty if there are none. Of a LOCAL
    /// header, which is to be discarded, there are none.
    let tlvs: Range<Int>

    /// Who the client is, nil if the header does not say and the connection's own address counts.
    var client: PeerAddress? {
        switch origin {
        case .local, .unknown: nil
        case .internet(let source, _): .internet(source)
        case .unix: .unix
        }
    }
}

extension ProxyHeader {
    /// The longest line of version 1, with its end.
    static let longestLine = 107
    /// The shortest line of version 1: `PROXY UNKNOWN`, and its end.
    static let shortestLine = 15
    /// What each header of version 2 has, before addresses and type-length-values.
    static let fixedLength = 16
    /// Bytes of a header of version 2 that are accepted unless somebody wants more or fewer.
    static let usualLimit = 4096
    /// The longest header that version 2 can express.
    static let highestLimit = fixedLength + Int(UInt16.max)

    static let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]
    static let keyword = Array("PROXY ".utf8)

    /// The families of version 2, by their numbers.
    enum Family: UInt8 {
        case unspecified = 0
        case ipv4 = 1
        case ipv6 = 2
        case unix = 3

        /// Bytes of both addresses and, where there are any, ports.
        var addressLength: Int {
            switch self {
            case .unspecified: 0
            case .ipv4: 2 * 4 + 2 * 2
            case .ipv6: 2 * 16 + 2 * 2
            case .unix: 2 * ProxyHeader.unixPathLength
            }
        }
    }

    /// Bytes of a Unix socket's path, padded with zeros.
    static let unixPathLength = 108
    /// The number of a stream among the transports of version 2; 0 is an unknown one, 2 is datagrams.
    static let streamTransport: UInt8 = 1
}
