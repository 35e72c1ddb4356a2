import Randomness
import Sockets
import Testing

@testable import TCPProxy

@Suite("Access list and CIDR table")
struct AccessListTests {
    private func blocks(_ texts: [String]) throws -> [CIDRBlock] {
        try texts.map { try CIDRBlock(parsing: $0) }
    }

    private func client(_ host: String) throws -> PeerAddress {
        .internet(try #require(InternetAddress(host: host, port: 50_000)))
    }

    @Test("the longest prefix decides, whichever list it is in")
    func longestPrefix() throws {
        let list = try AccessList(
            allow: try blocks(["10.0.0.0/8", "10.1.2.0/24", "2001:db8::/32"]),
            deny: try blocks(["10.1.0.0/16", "10.1.2.3", "2001:db8:1::/48"])
        )
        for host in ["10.0.0.1", "10.1.2.1", "10.255.255.255", "2001:db8::1", "::ffff:10.0.0.1", "2001:db8:2::"] {
            #expect(list.admits(try client(host)), "\(host)")
        }
        for host in [
            "10.1.0.1", "10.1.2.3", "10.1.3.0", "11.0.0.0", "9.255.255.255", "2001:db8:1::1", "2001:db9::", "::1",
        ] {
            #expect(!list.admits(try client(host)), "\(host)")
        }
        #expect(list.admits(.unix))
    }

    @Test("an unlisted address is admitted unless an allow list exists or the default says otherwise")
    func otherwise() throws {
        let stranger = try client("192.0.2.1")
        let other = try blocks(["10.0.0.0/8"])
        #expect(try AccessList().admits(stranger))
        #expect(try AccessList(deny: other).admits(stranger))
        #expect(try !AccessList(allow: other).admits(stranger))
        #expect(try AccessList(allow: other, otherwise: true).admits(stranger))
        #expect(try !AccessList(deny: other, otherwise: false).admits(stranger))
    }

    @Test("a block in both lists is an error")
    func contradiction() throws {
        let block = try CIDRBlock(parsing: "10.0.0.0/8")
        #expect(throws: AccessListError.contradiction(block)) {
            try AccessList(allow: [block], deny: try blocks(["::/0", "::ffff:10.0.0.0/104"]))
        }
        #expect(AccessListError.contradiction(block).description.contains("'10.0.0.0/8'"))
        #expect(throws: AccessListError.tooLong(1_000_001)) {
            try AccessList(deny: Array(repeating: block, count: 1_000_001))
        }
    }

    @Test("the first and last addresses of both families match their blocks")
    func ends() throws {
        let table = CIDRTable(
            [
                (block: try CIDRBlock(parsing: "255.255.255.255"), value: 1),
                (block: try CIDRBlock(parsing: "0.0.0.0"), value: 2),
                (block: try CIDRBlock(parsing: "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), value: 3),
                (block: try CIDRBlock(parsing: "::"), value: 4),
                (block: try CIDRBlock(parsing: "255.0.0.0/8"), value: 5),
            ],
            otherwise: 0
        )
        let expected = [
            ("255.255.255.255", 1), ("255.255.255.254", 5), ("254.255.255.255", 0), ("0.0.0.0", 2), ("0.0.0.1", 0),
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 3), ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", 0), ("::", 4),
            ("::1", 0),
        ]
        for (host, value) in expected { #expect(table[try #require(InternetAddress(host: host, port: 1))] == value) }
    }

    @Test("lookups agree with a linear search of all blocks", arguments: UInt64(0)..<40)
    func againstNaive(seed: UInt64) {
        var generator = SplitMix64(seed: seed)
        // Few distinct bits, so that blocks nest and contain addresses.
        let bits = (0..<6).map { _ in UInt32.random(in: .min ... .max, using: &generator) }
        func address() -> InternetAddress {
            let noise = UInt32.random(in: .min ... .max, using: &generator)
            let low = bits.randomElement(using: &generator)! ^ noise >> UInt32.random(in: 0...32, using: &generator)
            guard Bool.random(using: &generator) else { return InternetAddress(v4: low, port: 1) }
            let high = UInt64(bits.randomElement(using: &generator)!) << 32
            return InternetAddress(high: 0x2001_0DB8_0000_0000 | high >> 32, low: high | UInt64(low), port: 1)
        }
        func block() -> CIDRBlock {
            let address = address()
            let length = Int.random(in: 0...(address.isIPv4 ? 32 : 128), using: &generator)
            let masked = address.bits & CIDRBlock.mask(address.isIPv4 ? 96 + length : length)
            let first = InternetAddress(high: UInt64(masked >> 64), low: UInt64(truncatingIfNeeded: masked), port: 0)
            return CIDRBlock(first: first, prefixLength: length)
        }
        let entries = (0..<Int.random(in: 0...300, using: &generator)).map { _ in
            (block: block(), value: Int.random(in: 1...3, using: &generator))
        }
        let table = CIDRTable(entries, otherwise: 0)
        #expect(table.rangeCount <= 2 * entries.count + 2)
        for _ in 0..<300 {
            let address = address()
            // Of equal blocks the last one applies.
            let naive = entries.enumerated().filter { $0.element.block.contains(address) }
                .max { ($0.element.block.prefixLength, $0.offset) < ($1.element.block.prefixLength, $1.offset) }
            #expect(table[address] == naive?.element.value ?? 0, "\(address)")
        }
    }

    @Test("a table of tens of thousands of blocks has at most twice as many ranges")
    func large() throws {
        let entries = (0..<50_000).map { number in
            (block: CIDRBlock(InternetAddress(v4: UInt32(number) << 8, port: 0)), value: number)
        }
        let table = CIDRTable(entries, otherwise: -1)
        #expect(table.rangeCount == 2 * 50_000 + 1)
        for number in stride(from: 0, to: 50_000, by: 97) {
            #expect(table[InternetAddress(v4: UInt32(number) << 8, port: 0)] == number)
            #expect(table[InternetAddress(v4: UInt32(number) << 8 + 1, port: 0)] == -1)
        }
        let same = CIDRTable(entries.map { (block: $0.block, value: -1) }, otherwise: -1)
        #expect(same.rangeCount == 2)
    }
}
