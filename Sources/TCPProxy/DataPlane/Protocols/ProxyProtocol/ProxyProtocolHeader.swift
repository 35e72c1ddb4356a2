import Sockets

/// PROXY protocol header, version 1 or 2, that a proxy in front of this one sends ahead of the client's bytes
/// (haproxy.org, doc/proxy-protocol.txt).
struct ProxyProtocolHeader: Hashable, Sendable {
    typealias Version = ProxyProtocolVersion

    /// Endpoints of the connection that the header describes.
    enum Origin: Hashable, Sendable {
        /// LOCAL: the sender's own connection, such as a health check. The addresses of the connection itself apply.
        case local
        /// UNKNOWN, UNSPEC or datagrams: the sender does not know the endpoints or cannot express them. The addresses
        /// of the connection itself apply.
        case unknown
        case internet(source: InternetAddress, destination: InternetAddress)
        /// Unix sockets. The range in the header contains the two paths, 108 bytes each.
        case unix(paths: Range<Int>)
    }

    let version: Version
    /// Length of the header in bytes; the client's bytes follow it.
    let length: Int
    let origin: Origin
    /// Range of the type-length-values in the header, which are complete; empty if there are none. Always empty for
    /// LOCAL, whose data must be discarded.
    let tlvs: Range<Int>

    /// Address of the client; nil if the header does not contain it, so that the address of the connection itself
    /// applies.
    var client: PeerAddress? {
        switch origin {
        case .local, .unknown: nil
        case .internet(let source, _): .internet(source)
        case .unix: .unix
        }
    }
}

extension ProxyProtocolHeader {
    /// Maximum length in bytes of a version 1 line, including its end.
    static let maxLineLength = 107
    /// Minimum length in bytes of a version 1 line: `PROXY UNKNOWN` and its end.
    static let minLineLength = 15
    /// Length in bytes of the fixed part of a version 2 header, before the addresses and type-length-values.
    static let fixedLength = 16
    /// Default limit in bytes for a version 2 header.
    static let defaultLimit = 4096
    /// Maximum length in bytes of a version 2 header.
    static let highestLimit = fixedLength + Int(UInt16.max)

    static let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]
    static let keyword = Array("PROXY ".utf8)

    /// Address families of version 2.
    enum Family: UInt8 {
        case unspecified = 0
        case ipv4 = 1
        case ipv6 = 2
        case unix = 3

        /// Length in bytes of both addresses, including ports if the family has them.
        var addressLength: Int {
            switch self {
            case .unspecified: 0
            case .ipv4: 2 * 4 + 2 * 2
            case .ipv6: 2 * 16 + 2 * 2
            case .unix: 2 * ProxyProtocolHeader.unixPathLength
            }
        }
    }

    /// Length in bytes of a Unix socket's path, padded with zeros.
    static let unixPathLength = 108
    /// Transport number of a stream in version 2; 0 is unspecified, 2 is datagram.
    static let streamTransport: UInt8 = 1
}
