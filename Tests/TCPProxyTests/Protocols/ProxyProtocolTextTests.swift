import Sockets
import Testing

@testable import TCPProxy

@Suite("PROXY protocol, version 1")
struct ProxyProtocolTextTests {
    private func internet(_ source: String, _ sourcePort: UInt16, _ destination: String, _ port: UInt16) throws
        -> ProxyProtocolHeader.Origin
    {
        .internet(
            source: try #require(InternetAddress(host: source, port: sourcePort)),
            destination: try #require(InternetAddress(host: destination, port: port))
        )
    }

    private func expect(
        _ line: String,
        is origin: ProxyProtocolHeader.Origin,
        location: SourceLocation = #_sourceLocation
    ) {
        let header = ProxyProtocolHeader(version: .v1, length: line.utf8.count, origin: origin, tlvs: 0..<0)
        #expect(ProxyProtocolHeader.read(line) == .header(header), sourceLocation: location)
        #expect(ProxyProtocolHeader.read(line + "GET / HTTP/1.1\r\n") == .header(header), sourceLocation: location)
    }

    /// The longest and the shortest lines, and the example, of section 2.1 of the specification.
    static let lines = [
        "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
        "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
        "PROXY UNKNOWN\r\n",
        "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
        "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n",
        // As sent by HAProxy 2.6.
        "PROXY TCP4 127.0.0.1 127.0.0.1 39236 40451\r\n",
        "PROXY TCP6 ::1 ::1 40092 40451\r\n",
    ]

    @Test("the lines of the specification are parsed")
    func specification() throws {
        let highest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
        expect(Self.lines[0], is: try internet("255.255.255.255", 65535, "255.255.255.255", 65535))
        expect(Self.lines[1], is: try internet(highest, 65535, highest, 65535))
        expect(Self.lines[2], is: .unknown)
        #expect(Self.lines[3].utf8.count == ProxyProtocolHeader.maxLineLength)
        expect(Self.lines[3], is: .unknown)
        expect(Self.lines[4], is: try internet("192.168.0.1", 56324, "192.168.0.11", 443))
        expect(Self.lines[5], is: try internet("127.0.0.1", 39236, "127.0.0.1", 40451))
        expect(Self.lines[6], is: try internet("::1", 40092, "::1", 40451))
    }

    @Test("an IPv4-mapped IPv6 address is the IPv4 client")
    func mapped() throws {
        expect(
            "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::1 1 2\r\n",
            is: try internet("192.0.2.1", 1, "2001:db8::1", 2)
        )
        expect("PROXY TCP6 ::ffff:c000:201 ::1 0 0\r\n", is: try internet("192.0.2.1", 0, "::1", 0))
    }

    @Test("each incomplete prefix of a line waits for more", arguments: lines)
    func prefixes(line: String) {
        expectIncompletePrefixes(of: Array(line.utf8))
    }

    @Test("bytes that differ from a header at any position are detected immediately")
    func notProxy() {
        for text in ["GET / HTTP/1.1", "p", "PRI * HTTP/2.0", "PROX!", "PROXY\r\n", "PROXYING", "\n", "\0"] {
            #expect(ProxyProtocolHeader.read(text) == .notProxy, "\(text)")
        }
    }

    @Test(
        "each error is identified",
        arguments: [
            ("PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n", ProxyProtocolHeader.ParseError.family), ("PROXY \r\n", .family),
            ("PROXY tcp4 192.0.2.1 192.0.2.2 1 2\r\n", .family), ("PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n", .family),
            ("PROXY UNKNOWN2\r\n", .family), ("PROXY TCP4\r\n", .address), ("PROXY TCP4 192.0.2.1\r\n", .address),
            ("PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n", .address),
            ("PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n", .address),
            ("PROXY TCP4 192.0.2 192.0.2.2 1 2\r\n", .address), ("PROXY TCP4 ::1 ::1 1 2\r\n", .address),
            ("PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n", .address), ("PROXY TCP6 ::1::2 ::1 1 2\r\n", .address),
            ("PROXY TCP6 fe80::1%1 ::1 1 2\r\n", .address), ("PROXY TCP4 192.0.2.1\0 192.0.2.2 1 2\r\n", .address),
            ("PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n", .address), ("PROXY TCP4\t192.0.2.1 192.0.2.2 1 2\r\n", .family),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", .port), ("PROXY TCP4 192.0.2.1 192.0.2.2 1 \r\n", .port),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n", .port), ("PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n", .port),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n", .port), ("PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n", .port),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 100000 2\r\n", .port),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n", .trailing),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n", .trailing), ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n", .lineEnd),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\r\n", .lineEnd), ("PROXY UNKNOWN \n\r\n", .lineEnd),
        ]
    )
    func faults(line: String, fault: ProxyProtocolHeader.ParseError) {
        #expect(ProxyProtocolHeader.read(line) == .malformed(fault))
    }

    @Test("a line has at most 107 bytes, and its end is not awaited longer")
    func longLine() {
        let line = "PROXY UNKNOWN " + String(repeating: "x", count: 91) + "\r\n"
        #expect(line.utf8.count == 107)
        expect(line, is: .unknown)
        let longer = "PROXY UNKNOWN " + String(repeating: "x", count: 92)
        #expect(ProxyProtocolHeader.read(longer + "\r\n") == .malformed(.longLine))
        #expect(ProxyProtocolHeader.read(String(longer.dropLast())) == .needMore(minimum: 107))
        #expect(ProxyProtocolHeader.read(longer) == .malformed(.longLine))
        #expect(ProxyProtocolHeader.read(longer + "x") == .malformed(.longLine))
    }

    @Test("a parsed line is written unmodified")
    func writes() throws {
        for line in Self.lines where !line.hasPrefix("PROXY UNKNOWN ") {
            guard case .header(let header) = ProxyProtocolHeader.read(line) else {
                Issue.record("no header: \(line)")
                continue
            }
            let written = try ProxyProtocolHeader.write(.v1, header.outboundAddresses(in: Array(line.utf8)))
            #expect(String(decoding: written, as: UTF8.self) == line)
        }
    }

    @Test("mixed address families are written as IPv6, and missing addresses as unknown")
    func writesOthers() throws {
        let mixed = ProxyProtocolHeader.OutboundAddresses.addresses(
            source: .internet(try #require(InternetAddress(host: "192.0.2.1", port: 9))),
            destination: .internet(try #require(InternetAddress(host: "2001:db8::1", port: 10)))
        )
        #expect(
            String(decoding: try ProxyProtocolHeader.write(.v1, mixed), as: UTF8.self)
                == "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::1 9 10\r\n"
        )
        let paths = ProxyProtocolHeader.OutboundAddresses.addresses(
            source: .unix(path: ""),
            destination: .unix(path: "/a")
        )
        for outboundAddresses in [ProxyProtocolHeader.OutboundAddresses.local, .unknown, paths] {
            #expect(
                String(decoding: try ProxyProtocolHeader.write(.v1, outboundAddresses), as: UTF8.self)
                    == "PROXY UNKNOWN\r\n"
            )
        }
    }

    @Test("no single-byte change traps or extends a line beyond its limit", arguments: lines)
    func changes(line: String) {
        let original = Array(line.utf8)
        for position in original.indices {
            var changed = original
            for byte in UInt8.min...UInt8.max {
                changed[position] = byte
                guard case .header(let header) = ProxyProtocolHeader.read(changed), header.length != original.count
                else {
                    continue
                }
                Issue.record("a header of \(header.length) bytes, with \(byte) at \(position)")
            }
        }
    }
}

extension ProxyProtocolHeader {
    /// Returns the announcement that forwards this header; `bytes` is its original text.
    func outboundAddresses(in bytes: [UInt8]) -> OutboundAddresses {
        switch origin {
        case .local: .local
        case .unknown: .unknown
        case .internet(let source, let destination):
            .addresses(source: .internet(source), destination: .internet(destination))
        case .unix(let paths):
            .addresses(
                source: .unix(path: Self.path(bytes[paths].prefix(108))),
                destination: .unix(path: Self.path(bytes[paths].suffix(108)))
            )
        }
    }

    private static func path(_ bytes: ArraySlice<UInt8>) -> String {
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
}
