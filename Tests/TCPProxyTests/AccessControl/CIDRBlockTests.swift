import Sockets
import Testing

@testable import TCPProxy

@Suite("CIDR block")
struct CIDRBlockTests {
    @Test(
        "blocks are parsed and printed in canonical form",
        arguments: [
            ("10.0.0.0/8", "10.0.0.0/8"), ("0.0.0.0/0", "0.0.0.0/0"), ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1/32", "192.0.2.1"), ("2001:DB8::/32", "2001:db8::/32"), ("::/0", "::/0"), ("::1", "::1"),
            ("::1/128", "::1"), ("::ffff:10.0.0.0/104", "10.0.0.0/8"), ("::ffff:192.0.2.1", "192.0.2.1"),
            ("::ffff:0:0/96", "0.0.0.0/0"), ("::/80", "::/80"),
        ]
    )
    func reads(text: String, description: String) throws {
        let block = try CIDRBlock(parsing: text)
        #expect(block.description == description)
        #expect(try CIDRBlock(parsing: description) == block)
    }

    @Test("a parse error states the problem and names the entry")
    func errors() {
        let bad: [(String, CIDRBlockError.Problem)] = [
            ("", .badAddress), ("/8", .badAddress), ("10/8", .badAddress), ("10.0.0/8", .badAddress),
            ("10.0.0.256", .badAddress), ("010.0.0.0/8", .badAddress), ("example.com", .badAddress),
            ("fe80::1%1", .badAddress), ("[::1]", .badAddress), ("10.0.0.0:80", .badAddress),
            (" 10.0.0.0/8", .badAddress),
            ("10.0.0.0/", .badLength("", max: 32)), ("10.0.0.0/33", .badLength("33", max: 32)),
            ("10.0.0.0/08", .badLength("08", max: 32)), ("10.0.0.0/-1", .badLength("-1", max: 32)),
            ("10.0.0.0/+8", .badLength("+8", max: 32)), ("10.0.0.0/8/8", .badLength("8/8", max: 32)),
            ("10.0.0.0/255.0.0.0", .badLength("255.0.0.0", max: 32)), ("::/129", .badLength("129", max: 128)),
            ("::/99999999999999999999", .badLength("99999999999999999999", max: 128)),
            ("10.1.2.3/8", .bitsBehindPrefix("10.0.0.0/8")), ("10.0.0.1/0", .bitsBehindPrefix("0.0.0.0/0")),
            ("2001:db8::1/32", .bitsBehindPrefix("2001:db8::/32")), ("::1/0", .bitsBehindPrefix("::/0")),
            ("::ffff:10.1.0.0/104", .bitsBehindPrefix("10.0.0.0/8")),
            ("::ffff:0:0/95", .bitsBehindPrefix("::fffe:0:0/95")),
        ]
        for (text, problem) in bad {
            let error = CIDRBlockError(text: text, problem: problem)
            #expect(throws: error, "\(text)") { try CIDRBlock(parsing: text) }
            #expect(error.description.contains("'\(text)'"))
        }
    }

    @Test("a block contains only addresses of its own family")
    func contains() throws {
        func contains(_ block: String, _ address: String) throws -> Bool {
            try CIDRBlock(parsing: block).contains(try #require(InternetAddress(host: address, port: 9)))
        }
        #expect(try contains("10.0.0.0/8", "10.255.255.255"))
        #expect(try contains("10.0.0.0/8", "::ffff:10.1.2.3"))
        #expect(try !contains("10.0.0.0/8", "11.0.0.0"))
        #expect(try contains("::/0", "2001:db8::1"))
        #expect(try !contains("::/0", "10.0.0.1"))
        #expect(try contains("0.0.0.0/0", "255.255.255.255"))
        #expect(try !contains("0.0.0.0/0", "::1"))
        let single = CIDRBlock(try #require(InternetAddress(host: "2001:db8::1", port: 9)))
        #expect(single.description == "2001:db8::1")
        #expect(single.first.port == 0)
    }
}
