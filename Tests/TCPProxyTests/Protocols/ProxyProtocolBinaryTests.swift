import Sockets
import Testing

@testable import TCPProxy

@Suite("PROXY protocol, version 2")
struct ProxyProtocolBinaryTests {
    static let signature = "0d0a0d0a 000d0a51 5549540a "

    /// As sent by HAProxy 2.6: `send-proxy-v2`, without and with `crc32c` and `unique-id`.
    static let sent = [
        "0d0a0d0a000d0a515549540a2111000c7f0000017f00000198289fd1",
        """
        0d0a0d0a000d0a515549540a212100240000000000000000000000000000000100000000000000000000000000000001e6529fd1
        """,
        "0d0a0d0a000d0a515549540a211100137f0000017f000001820493910300046c807e58",
        """
        0d0a0d0a000d0a515549540a2121002b0000000000000000000000000000000100000000000000000000000000000001e898939103000
        4feec569d
        """,
        "0d0a0d0a000d0a515549540a211100207f0000017f000001dd8e9e7f03000454a53a7205000a374330412d3130343032",
        """
        0d0a0d0a000d0a515549540a212100380000000000000000000000000000000100000000000000000000000000000001db0a9e7f03000
        4b52a363d05000a374330412d3130343032
        """,
    ]

    private static let paths =
        [UInt8]("/run/client".utf8) + [UInt8](repeating: 0, count: 97) + [UInt8]("/run/proxy".utf8)
        + [UInt8](repeating: 0, count: 98)

    /// One header of each kind in the specification.
    static let whole =
        sent.map { bytes(hex: $0) } + [
            // LOCAL, as a sender should write it.
            bytes(hex: signature + "20 00 0000"),
            // LOCAL with an invalid address, which must be skipped.
            bytes(hex: signature + "20 11 0003 ffffff"),
            // PROXY of an unknown family: alone, with a field, and with an invalid one.
            bytes(hex: signature + "21 00 0000"), bytes(hex: signature + "21 00 0005 050002 6162"),
            bytes(hex: signature + "21 00 0004 05000261"),
            // Datagrams, and an unspecified transport.
            bytes(hex: signature + "21 12 000c c0000201 c0000202 0001 0002"),
            bytes(hex: signature + "21 20 0024" + String(repeating: "00", count: 36)),
            bytes(hex: signature + "21 31 00d8") + paths,
            bytes(hex: signature + "21 31 00dd") + paths + bytes(hex: "e00002 6869"),
        ]

    private func header(_ bytes: [UInt8]) throws -> ProxyProtocolHeader {
        guard case .header(let header) = ProxyProtocolHeader.read(bytes) else {
            Issue.record("no header: \(ProxyProtocolHeader.read(bytes))")
            throw NoHeader()
        }
        return header
    }

    private struct NoHeader: Error {}

    @Test("headers sent by HAProxy are parsed")
    func haproxy() throws {
        let v4 = try #require(InternetAddress(host: "127.0.0.1", port: 38952))
        let v6 = try #require(InternetAddress(host: "::1", port: 58962))
        var server = (v4, v6)
        server.0.port = 40913
        server.1.port = 40913
        let first = try header(Self.whole[0])
        #expect(first.origin == .internet(source: v4, destination: server.0))
        #expect(first.client == .internet(v4))
        #expect(first.length == 28)
        #expect(first.tlvs.isEmpty)
        #expect(try header(Self.whole[1]).origin == .internet(source: v6, destination: server.1))
        #expect(try header(Self.whole[2]).tlvs == 28..<35)
        #expect(try header(Self.whole[3]).tlvs == 52..<59)
        let last = try header(Self.whole[4])
        #expect(last.tlvs == 28..<48)
    }

    @Test("each kind of header determines the client's addresses and the forwarded header")
    func kinds() throws {
        let kinds = try Self.whole.dropFirst(6).map(header)
        #expect(kinds.map(\.origin.isKnown) == [false, false, false, false, false, false, false, true, true])
        #expect(kinds.map(\.tlvs.count) == [0, 0, 0, 5, 0, 0, 0, 0, 5])
        #expect(kinds[0].origin == .local && kinds[1].origin == .local)
        #expect(kinds[2].origin == .unknown && kinds[5].origin == .unknown && kinds[6].origin == .unknown)
        #expect(kinds[7].origin == .unix(paths: 16..<232))
        #expect(kinds[8].client == .unix)
        #expect(kinds.map(\.client?.description) == [nil, nil, nil, nil, nil, nil, nil, "unix:", "unix:"])
        for (kind, bytes) in zip(kinds, Self.whole.dropFirst(6)) { #expect(kind.length == bytes.count) }
    }

    @Test("bytes after a header are not consumed", arguments: whole.indices)
    func following(index: Int) throws {
        let bytes = Self.whole[index]
        #expect(try header(bytes + [1, 2, 3]) == header(bytes))
    }

    @Test("each incomplete prefix of a header waits for more", arguments: whole.indices)
    func prefixes(index: Int) {
        expectIncompletePrefixes(of: Self.whole[index])
    }

    @Test("bytes that differ from the signature are detected immediately")
    func notProxy() {
        let signature = bytes(hex: Self.signature)
        for position in signature.indices {
            var other = Array(signature[...position])
            other[position] ^= 0x20
            #expect(ProxyProtocolHeader.read(other) == .notProxy, "at \(position)")
        }
    }

    @Test(
        "each error is detected as early as possible",
        arguments: [
            ("11 11 000c", ProxyProtocolHeader.ParseError.version), ("31 11 000c", .version), ("01 11 000c", .version),
            ("22 11 000c", .command), ("2f 11 000c", .command), ("21 41 000c", .family), ("21 f1 000c", .family),
            ("21 13 000c", .family), ("21 1f 000c", .family), ("21 11 000b", .shortAddresses),
            ("21 21 0023", .shortAddresses), ("21 31 00d7", .shortAddresses), ("21 11 0000", .shortAddresses),
            ("21 11 0ff1", .tooLong(4097)), ("20 00 ffff", .tooLong(65551)),
            ("21 11 000d c0000201 c0000202 0001 0002 ff", .tlv),
            ("21 11 000f c0000201 c0000202 0001 0002 050001", .tlv),
            ("21 11 0013 c0000201 c0000202 0001 0002 030005 00000000", .tlv),
            ("21 11 0010 c0000201 c0000202 0001 0002 030001 00", .tlv),
            ("21 11 0013 c0000201 c0000202 0001 0002 030004 00000000", .checksum),
        ]
    )
    func faults(rest: String, fault: ProxyProtocolHeader.ParseError) {
        #expect(ProxyProtocolHeader.read(bytes(hex: Self.signature + rest)) == .malformed(fault))
    }

    @Test("a header may be as long as the limit and no longer")
    func limit() throws {
        let padding = [UInt8](repeating: 0, count: 65535 - 12 - 3)
        let longest =
            bytes(hex: Self.signature + "21 11 ffff c0000201 c0000202 0001 0002 04") + bytes(hex: "fff0") + padding
        #expect(longest.count == ProxyProtocolHeader.highestLimit)
        #expect(ProxyProtocolHeader.read(longest) == .malformed(.tooLong(65551)))
        #expect(ProxyProtocolHeader.read(longest, limit: 65550) == .malformed(.tooLong(65551)))
        guard case .header(let header) = ProxyProtocolHeader.read(longest, limit: ProxyProtocolHeader.highestLimit)
        else {
            Issue.record("no header")
            return
        }
        #expect(header.length == 65551)
        #expect(header.tlvs == 28..<65551)
    }

    @Test("a checksum detects each single-byte change, except in the bytes that define it")
    func checksum() throws {
        for original in Self.whole[2...5] {
            for position in 16..<original.count {
                var changed = original
                for bit in 0..<8 {
                    changed[position] = original[position] ^ 1 << bit
                    guard case .header(let header) = ProxyProtocolHeader.read(changed) else { continue }
                    // The field no longer has the type of a checksum.
                    let type = try #require(
                        original.indices.first { $0 >= header.tlvs.lowerBound && original[$0] == 3 }
                    )
                    #expect(position == type, "bit \(bit) of byte \(position)")
                }
            }
        }
    }

    @Test("a second checksum is an error")
    func severalChecksums() throws {
        let field = "030004 00000000"
        let twice = bytes(hex: Self.signature + "21 11 001a c0000201 c0000202 0001 0002" + field + field)
        #expect(ProxyProtocolHeader.read(twice) == .malformed(.checksum))
        #expect(throws: ProxyProtocolHeader.WriteFault.tlvs) {
            try ProxyProtocolHeader.write(.v2, .unknown, tlvs: bytes(hex: field + field))
        }
    }

    @Test("the checksum matches RFC 3720, B.4")
    func crc() {
        func check(_ bytes: [UInt8]) -> UInt32 {
            var check = CRC32C()
            bytes.withUnsafeBytes { check.update($0) }
            return check.value
        }
        #expect(check([]) == 0)
        #expect(check(Array("123456789".utf8)) == 0xE306_9283)
        #expect(check([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(check([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
        #expect(check(Array(0..<32)) == 0x46DD_794E)
        var zeros = CRC32C()
        zeros.update(zeros: 32)
        #expect(zeros.value == 0x8A91_36AA)
    }

    // MARK: Writing

    @Test("a parsed header is forwarded unmodified")
    func passesOn() throws {
        // For LOCAL, an unknown family and other transports, the ignored parts are not forwarded.
        for bytes in Self.whole[0..<7] + [Self.whole[8], Self.whole[9]] + Self.whole[13...] {
            let header = try header(bytes)
            let written = try ProxyProtocolHeader.write(
                .v2,
                header.outboundAddresses(in: bytes),
                tlvs: Array(bytes[header.tlvs])
            )
            #expect(written == bytes)
        }
    }

    @Test("Unix paths are forwarded unmodified")
    func unixPaths() throws {
        let abstract: [UInt8] = (0..<216).map { UInt8($0) ^ 0xA5 }
        let written = try abstract.withUnsafeBytes { try ProxyProtocolHeader.write(.v2, .unixPaths($0)) }
        #expect(written == bytes(hex: Self.signature + "21 31 00d8") + abstract)
        #expect(throws: ProxyProtocolHeader.WriteFault.paths) {
            try abstract.dropLast().withUnsafeBytes { try ProxyProtocolHeader.write(.v2, .unixPaths($0)) }
        }
    }

    @Test("a checksum is recomputed for other addresses, and added on request")
    func newChecksum() throws {
        let tlvs = Array(Self.whole[4][28...])
        let outboundAddresses = ProxyProtocolHeader.OutboundAddresses.addresses(
            source: .internet(InternetAddress(v4: 0xC000_0201, port: 1)),
            destination: .internet(InternetAddress(high: 0x2001_0DB8_0000_0000, low: 1, port: 2))
        )
        let passedOn = try ProxyProtocolHeader.write(.v2, outboundAddresses, tlvs: tlvs, checksum: true)
        #expect(passedOn.count == 52 + tlvs.count)
        let header = try header(passedOn)
        #expect(Array(passedOn[header.tlvs.lowerBound..<55]) == [3, 0, 4])
        #expect(Array(passedOn[59...]) == Array(tlvs[7...]))
        #expect(header.client == .internet(InternetAddress(v4: 0xC000_0201, port: 1)))

        let added = try ProxyProtocolHeader.write(.v2, outboundAddresses, tlvs: bytes(hex: "e00001 61"), checksum: true)
        #expect(try self.header(added).tlvs.count == 11)
        #expect(Array(added[52..<59]) == bytes(hex: "e00001 61 030004"))
        let without = try ProxyProtocolHeader.write(.v2, outboundAddresses, tlvs: bytes(hex: "e00001 61"))
        #expect(without.count == 56)
    }

    @Test("LOCAL and unknown headers have no addresses; mixed address kinds are unknown")
    func writesOthers() throws {
        #expect(try ProxyProtocolHeader.write(.v2, .local) == bytes(hex: Self.signature + "20 00 0000"))
        let unknown = bytes(hex: Self.signature + "21 00 0000")
        #expect(try ProxyProtocolHeader.write(.v2, .unknown) == unknown)
        let mixed = ProxyProtocolHeader.OutboundAddresses.addresses(
            source: .unix(path: ""),
            destination: .internet(InternetAddress(v4: 1, port: 1))
        )
        #expect(try ProxyProtocolHeader.write(.v2, mixed) == unknown)
    }

    @Test("the encoder reports the needed size, and writes nothing that no header can express")
    func refuses() throws {
        var small = [UInt8](repeating: 0xAA, count: 106)
        small.withUnsafeMutableBytes { small in
            #expect(throws: ProxyProtocolHeader.WriteFault.noRoom(needed: 107)) {
                try ProxyProtocolHeader.write(.v1, .local, into: small)
            }
            #expect(throws: ProxyProtocolHeader.WriteFault.noRoom(needed: 239)) {
                try ProxyProtocolHeader.write(.v2, .local, into: small)
            }
        }
        #expect(small.allSatisfy { $0 == 0xAA })
        #expect(throws: ProxyProtocolHeader.WriteFault.tlvs) {
            try ProxyProtocolHeader.write(.v2, .local, tlvs: [1, 0])
        }
        let long = bytes(hex: "04 fffc") + [UInt8](repeating: 0, count: 65532)
        #expect(try ProxyProtocolHeader.write(.v2, .local, tlvs: long).count == 65551)
        #expect(throws: ProxyProtocolHeader.WriteFault.tooLong(65563)) {
            try ProxyProtocolHeader.write(
                .v2,
                .addresses(
                    source: .internet(InternetAddress(v4: 1, port: 1)),
                    destination: .internet(InternetAddress(v4: 1, port: 1))
                ),
                tlvs: long
            )
        }
    }

    @Test("no single-byte change traps, and offsets stay within the header", arguments: whole.indices)
    func changes(index: Int) {
        let original = Self.whole[index]
        for position in original.indices {
            var changed = original
            for byte in UInt8.min...UInt8.max {
                changed[position] = byte
                guard case .header(let header) = ProxyProtocolHeader.read(changed) else { continue }
                let isWithin =
                    header.length <= changed.count && header.tlvs.lowerBound >= 16
                    && header.tlvs.upperBound == header.length
                if !isWithin { Issue.record("\(header), with \(byte) at \(position)") }
            }
        }
    }
}

extension ProxyProtocolHeader.Origin {
    fileprivate var isKnown: Bool {
        switch self {
        case .local, .unknown: false
        case .internet, .unix: true
        }
    }
}
