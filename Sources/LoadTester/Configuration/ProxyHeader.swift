import Sockets

extension LoadTest {
    /// The version of the PROXY protocol header that begins each connection
    /// (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt).
    public enum ProxyHeader: String, Sendable, Hashable, Codable, CaseIterable {
        /// One line of text.
        case v1
        /// Binary.
        case v2
    }
}

extension LoadTest.ProxyHeader {
    private static let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]

    /// Returns the header for a connection. Without two IP addresses of the same family it states that the addresses are
    /// unknown.
    func bytes(from source: SocketAddress, to destination: SocketAddress) -> [UInt8] {
        guard case .internet(let source) = source, case .internet(let destination) = destination,
            source.isIPv4 == destination.isIPv4
        else {
            return self == .v1 ? Array("PROXY UNKNOWN\r\n".utf8) : Self.signature + [0x21, 0x00, 0, 0]
        }
        return self == .v1 ? Self.line(source, destination) : Self.binary(source, destination)
    }

    private static func line(_ source: InternetAddress, _ destination: InternetAddress) -> [UInt8] {
        let family = source.isIPv4 ? "TCP4" : "TCP6"
        let hosts = [source, destination].map { InternetAddress(high: $0.high, low: $0.low, port: 0).host }
        return Array("PROXY \(family) \(hosts[0]) \(hosts[1]) \(source.port) \(destination.port)\r\n".utf8)
    }

    private static func binary(_ source: InternetAddress, _ destination: InternetAddress) -> [UInt8] {
        var addresses: [UInt8] = []
        for address in [source, destination] {
            if !address.isIPv4 { append(address.high, to: &addresses) }
            if address.isIPv4 {
                append(UInt32(truncatingIfNeeded: address.low), to: &addresses)
            } else {
                append(address.low, to: &addresses)
            }
        }
        append(source.port, to: &addresses)
        append(destination.port, to: &addresses)
        return signature + [0x21, source.isIPv4 ? 0x11 : 0x21, 0, UInt8(addresses.count)] + addresses
    }

    private static func append(_ number: some FixedWidthInteger, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
    }
}
