import Randomness
import Sockets
import Testing

extension InternetAddress {
    /// An IPv4 address from its four octets.
    fileprivate static func v4(_ a: UInt32, _ b: UInt32, _ c: UInt32, _ d: UInt32, port: UInt16) -> InternetAddress {
        InternetAddress(v4: a << 24 | b << 16 | c << 8 | d, port: port)
    }
}

@Suite("Service address")
struct ServiceAddressTests {
    @Test(
        "IP addresses are parsed",
        arguments: [
            ("127.0.0.1:8080", .v4(127, 0, 0, 1, port: 8080)),
            ("0.0.0.0:0", .v4(0, 0, 0, 0, port: 0)),
            ("255.255.255.255:65535", .v4(255, 255, 255, 255, port: 65535)),
            ("10.1.2.3:00080", .v4(10, 1, 2, 3, port: 80)),
            ("[::1]:8080", InternetAddress(high: 0, low: 1, port: 8080)),
            ("[::]:1", InternetAddress(high: 0, low: 0, port: 1)),
            (
                "[2001:DB8:0:1:0203:405:60:7]:443",
                InternetAddress(high: 0x2001_0db8_0000_0001, low: 0x0203_0405_0060_0007, port: 443)
            ),
            ("[fe80::1%3]:22", InternetAddress(high: 0xfe80_0000_0000_0000, low: 1, port: 22, scope: 3)),
            ("[fe80::1%lo]:22", InternetAddress(high: 0xfe80_0000_0000_0000, low: 1, port: 22, scope: 1)),
            ("[::ffff:10.1.2.3]:80", .v4(10, 1, 2, 3, port: 80)),
            ("[::10.1.2.3]:80", InternetAddress(high: 0, low: 0x0a01_0203, port: 80)),
            (":8080", InternetAddress(high: 0, low: 0, port: 8080)),
            ("*:8080", InternetAddress(high: 0, low: 0, port: 8080)),
        ] as [(String, InternetAddress)]
    )
    func numericAddresses(text: String, expected: InternetAddress) throws {
        #expect(try ServiceAddress(parsing: text) == .socket(.internet(expected)))
    }

    @Test(
        "Host names are parsed",
        arguments: [
            ("localhost:8080", "localhost", 8080),
            ("example.com:80", "example.com", 80),
            ("example.com.:80", "example.com.", 80),
            ("a:1", "a", 1),
            ("my_service-2.ns:65535", "my_service-2.ns", 65535),
            ("3com.example:9", "3com.example", 9),
            ("1.2.3.4a:9", "1.2.3.4a", 9),
            ("\(String(repeating: "a", count: 63)).b:1", "\(String(repeating: "a", count: 63)).b", 1),
        ] as [(String, String, UInt16)]
    )
    func names(text: String, host: String, port: UInt16) throws {
        #expect(try ServiceAddress(parsing: text) == .name(host: host, port: port))
    }

    @Test(
        "Unix paths are parsed",
        arguments: [
            "/run/app.sock", "relative.sock", "/with:colons:80", "/with space", "/ünïcode", "@abstract",
            "/" + String(repeating: "p", count: 106),
        ]
    )
    func paths(path: String) throws {
        #expect(try ServiceAddress(parsing: "unix:\(path)") == .socket(.unix(path: path)))
    }

    @Test(
        "Each parse error is identified",
        arguments: [
            ("", .empty),
            ("localhost", .noPort),
            ("127.0.0.1", .noPort),
            ("[::1]", .noPort),
            ("[::1]8080", .noPort),
            ("localhost:", .badPort("")),
            (":", .badPort("")),
            ("[::1]:", .badPort("")),
            ("localhost:65536", .badPort("65536")),
            ("localhost:-1", .badPort("-1")),
            ("localhost:+1", .badPort("+1")),
            ("localhost: 80", .badPort(" 80")),
            ("localhost:80 ", .badPort("80 ")),
            ("localhost:0x50", .badPort("0x50")),
            ("localhost:http", .badPort("http")),
            ("localhost:８０", .badPort("８０")),
            ("localhost:99999999999999999999", .badPort("99999999999999999999")),
            ("::1:8080", .bareIPv6),
            ("::1", .bareIPv6),
            ("host:80:90", .bareIPv6),
            ("[::1", .unclosedBracket),
            ("[", .unclosedBracket),
            ("[]:80", .badIPv6("")),
            ("[127.0.0.1]:80", .badIPv6("127.0.0.1")),
            ("[localhost]:80", .badIPv6("localhost")),
            ("[::1::2]:80", .badIPv6("::1::2")),
            ("[fe80::1%]:80", .badIPv6("fe80::1%")),
            ("[fe80::1%no-such-interface]:80", .badIPv6("fe80::1%no-such-interface")),
            ("[fe80::1%+1]:80", .badIPv6("fe80::1%+1")),
            ("[::ffff:10.1.2.3%1]:80", .badIPv6("::ffff:10.1.2.3%1")),
            ("[::1\0]:80", .badIPv6("::1\0")),
            ("127.0.0.1\0:80", .badHost("127.0.0.1\0")),
            ("256.0.0.1:80", .badHost("256.0.0.1")),
            ("1.2.3:80", .badHost("1.2.3")),
            ("127.1:80", .badHost("127.1")),
            ("1:80", .badHost("1")),
            (".:80", .badHost(".")),
            ("..:80", .badHost("..")),
            ("a..b:80", .badHost("a..b")),
            (".a:80", .badHost(".a")),
            ("-a:80", .badHost("-a")),
            ("a-:80", .badHost("a-")),
            ("a b:80", .badHost("a b")),
            (" a:80", .badHost(" a")),
            ("ä:80", .badHost("ä")),
            ("http://host:80", .scheme(address: "host:80")),
            ("tcp://127.0.0.1:9", .scheme(address: "127.0.0.1:9")),
            ("tcp://[::1]:9/", .scheme(address: "[::1]:9")),
            ("postgres://user:secret@db.example:5432/name?a=b", .scheme(address: "db.example:5432")),
            ("http://host", .scheme(address: nil)),
            ("tcp://", .scheme(address: nil)),
            ("TCP4://:80", .scheme(address: ":80")),
            ("tcp://unix:/x", .scheme(address: nil)),
            ("1tcp://a:1", .bareIPv6),
            ("8080", .onlyPort(8080)),
            ("0", .onlyPort(0)),
            ("65536", .noPort),
            ("８０", .noPort),
            ("/tmp/x.sock", .barePath),
            ("/tmp/a:80", .barePath),
            ("./x", .barePath),
            ("../x.sock", .barePath),
            ("run/x.sock", .barePath),
            ("10.0.0.0/8", .noPort),
            ("user@host:80", .badHost("user@host")),
            ("host/path:80", .badHost("host/path")),
            ("\(String(repeating: "a", count: 64)):80", .badHost(String(repeating: "a", count: 64))),
            ("unix:", .badPath),
            ("unix:@", .badPath),
            ("unix:/a\0b", .badPath),
            ("unix:/" + String(repeating: "p", count: 107), .longPath(108)),
            ("unix:" + String(repeating: "ü", count: 54), .longPath(108)),
        ] as [(String, AddressParseError.Problem)]
    )
    func problems(text: String, problem: AddressParseError.Problem) {
        let error = #expect(throws: AddressParseError.self) { try ServiceAddress(parsing: text) }
        #expect(error?.problem == problem)
        #expect(error?.text == text)
    }

    @Test(
        "Spellings of one address are equal when normalized",
        arguments: [
            ("LocalHost:1", "localhost:1"), ("db.example.:1", "DB.example:1"), ("unix:/tmp/x", "unix:/tmp/./x"),
            ("unix:/tmp/x", "unix://tmp//x"), ("unix:x", "unix:./x"), ("[::FFFF:127.0.0.1]:1", "127.0.0.1:1"),
        ]
    )
    func equalSpellings(one: String, other: String) throws {
        #expect(try ServiceAddress(parsing: one).normalized == ServiceAddress(parsing: other).normalized)
    }

    @Test(
        "Different addresses differ when normalized",
        arguments: [
            ("localhost:1", "localhost:2"), ("unix:/tmp/x", "unix:/tmp/X"), ("unix:/x", "unix:x"),
            ("unix:@x", "unix:./@x"), ("unix:@x/./y", "unix:@x/y"), ("unix:/a/../x", "unix:/x"),
        ]
    )
    func differentAddresses(one: String, other: String) throws {
        #expect(try ServiceAddress(parsing: one).normalized != ServiceAddress(parsing: other).normalized)
    }

    @Test("A host name has at most 253 bytes")
    func longName() throws {
        let longest = Array(repeating: String(repeating: "a", count: 62), count: 4).joined(separator: ".") + ".b"
        #expect(longest.utf8.count == 253)
        #expect(try ServiceAddress(parsing: longest + ":1") == .name(host: longest, port: 1))
        let error = #expect(throws: AddressParseError.self) { try ServiceAddress(parsing: longest + "b:1") }
        #expect(error?.problem == .badHost(longest + "b"))
    }

    @Test(
        "The message quotes the input and states the correct form",
        arguments: [
            ("", "host:port"), ("localhost", "127.0.0.1:8080"), ("localhost:http", "65535"), ("::1:80", "[::1]:8080"),
            ("tcp://127.0.0.1:9", "write 127.0.0.1:9"), ("tcp:127.0.0.1:9", "write 127.0.0.1:9"),
            ("TLS:[::1]:9", "write [::1]:9"), ("http::80", "write :80"), ("8080", "write :8080"),
            ("/tmp/x.sock", "write unix:/tmp/x.sock"),
            ("tcp://", "127.0.0.1:8080"), ("[::1", "[ipv6]:port"), ("unix:", "unix:/path"), ("[x]:1", "IPv6"),
            ("1.2:3", "host name"),
            ("unix:/" + String(repeating: "p", count: 107), "107"),
        ]
    )
    func messages(text: String, advice: String) {
        let error = #expect(throws: AddressParseError.self) { try ServiceAddress(parsing: text) }
        let message = error.map { "\($0)" } ?? ""
        #expect(message.contains(advice))
        #expect(text.isEmpty || message.contains("'\(text)'"))
        #expect(!message.contains("\n"))
    }

    @Test("The advice about a port without a host depends on the use of the address")
    func onlyPort() {
        let error = #expect(throws: AddressParseError.self) { try ServiceAddress(parsing: "8080") }
        #expect(error?.description.contains("write :8080 for all interfaces") == true)
        #expect(error?.targetDescription == "'8080' has no host: write it before the port, such as 127.0.0.1:8080")
        let other = #expect(throws: AddressParseError.self) { try ServiceAddress(parsing: "x") }
        #expect(other?.targetDescription == other?.description)
    }

    @Test("A host may have the name of a scheme")
    func schemeAsHost() throws {
        #expect(try ServiceAddress(parsing: "tcp:80") == .name(host: "tcp", port: 80))
    }

    @Test(
        "A printed address is parsed as the same address",
        arguments: [
            "127.0.0.1:8080", "[::1]:8080", "[::]:8080", "[fe80::1%3]:22", "[2001:db8::1]:443", "example.com:80",
            "unix:/run/app.sock", "unix:relative",
        ]
    )
    func roundTrip(text: String) throws {
        let address = try ServiceAddress(parsing: text)
        #expect(address.description == text)
        #expect(try ServiceAddress(parsing: address.description) == address)
    }

    @Test(
        "No input traps, and a parsed address round-trips",
        arguments: 1...20 as ClosedRange<UInt64>
    )
    func nonsense(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let pieces = [
            "[", "]", ":", "::", ".", "%", "unix:", "127.0.0.1", "::1", "ffff", "a", "-", "_", "0", "65535", "\0", "\n",
            "é", "🐒", "/", "*", "@", " ", "%1", "%lo",
        ]
        for _ in 0..<500 {
            let text = (0..<Int.random(in: 0...7, using: &random))
                .map { _ in pieces.randomElement(using: &random) ?? "" }
                .joined()
            guard let address = try? ServiceAddress(parsing: text) else { continue }
            #expect(try ServiceAddress(parsing: address.description) == address, "\(text.debugDescription)")
        }
    }

    @Test(
        "The port is available for every kind of address",
        arguments: [("a:7", 7), ("1.2.3.4:8", 8), ("unix:/a", nil)] as [(String, UInt16?)]
    )
    func port(text: String, port: UInt16?) throws {
        #expect(try ServiceAddress(parsing: text).port == port)
    }
}
