import Testing

@testable import TCPProxy

@Suite("ClientHello")
struct ClientHelloTests {
    /// A comparable parse result, with the name and the protocols as values.
    enum Outcome: Equatable {
        case needMore(minimum: Int)
        case hello(serverName: String?, protocols: [String])
        case notTLS
        case malformed(ClientHello.ParseError)
        case tooLong
    }

    private func read(_ bytes: some Collection<UInt8>, limit: Int = ClientHello.defaultLimit) -> Outcome {
        var scratch = [UInt8](repeating: 0xAA, count: limit)
        let reading = Array(bytes).withUnsafeBytes { bytes in
            scratch.withUnsafeMutableBytes { ClientHello.read(bytes, limit: limit, scratch: $0) }
        }
        switch reading {
        case .needMore(let minimum): return .needMore(minimum: minimum)
        case .notTLS: return .notTLS
        case .malformed(let fault): return .malformed(fault)
        case .tooLong: return .tooLong
        case .hello(let hello):
            let protocols = scratch.withUnsafeBytes { Array(hello.protocols(in: $0)) }
            return .hello(
                serverName: hello.serverName.map { String(decoding: scratch[$0], as: UTF8.self) },
                protocols: protocols.map { String(decoding: scratch[$0], as: UTF8.self) }
            )
        }
    }

    private func expectPrefixesWait(_ bytes: [UInt8], location: SourceLocation = #_sourceLocation) {
        for count in bytes.indices {
            guard case .needMore(let minimum) = read(bytes[..<count]) else {
                Issue.record("result for \(count) bytes: \(read(bytes[..<count]))", sourceLocation: location)
                continue
            }
            #expect(minimum > count && minimum <= bytes.count, "prefix of \(count) bytes", sourceLocation: location)
        }
    }

    @Test("a real ClientHello is parsed, and each incomplete prefix waits for more", arguments: RecordedHello.all)
    func recorded(hello: RecordedHello) {
        let outcome = Outcome.hello(serverName: hello.serverName, protocols: hello.protocols)
        #expect(read(hello.bytes) == outcome)
        #expect(read(hello.bytes + [22, 3, 3, 0]) == outcome)
        expectPrefixesWait(hello.bytes)
    }

    @Test("a real ClientHello is parsed when split into records at any byte", arguments: RecordedHello.all)
    func forced(hello: RecordedHello) {
        let outcome = Outcome.hello(serverName: hello.serverName, protocols: hello.protocols)
        let message = Array(hello.bytes[5...])
        for forced in 1..<message.count {
            let bytes = MadeHello.records(Array(message[..<forced])) + MadeHello.records(Array(message[forced...]))
            #expect(read(bytes) == outcome, "split at \(forced)")
            #expect(read(bytes.dropLast()) == .needMore(minimum: bytes.count), "split at \(forced)")
        }
    }

    @Test("a browser's ClientHello is parsed, with a large key share and GREASE values, in records of any length")
    func browser() {
        let hello = MadeHello.browser("Shop.Example.Com.")
        let outcome = Outcome.hello(serverName: "shop.example.com", protocols: ["h2", "http/1.1"])
        #expect(hello.message.count > 1400)
        for length in [12, 13, 100, 255, 517, 1400, 16_384] {
            let bytes = MadeHello.records(hello.message, of: length)
            #expect(read(bytes) == outcome, "records of \(length) bytes")
            expectPrefixesWait(bytes)
        }
    }

    @Test("the SNI is lowercased without its trailing dot, and is nil if absent or not a DNS name")
    func names() {
        func name(_ name: String) -> Outcome {
            var hello = MadeHello()
            hello.extensions = [MadeHello.serverName(name)]
            return read(hello.bytes)
        }
        let label = String(repeating: "a", count: 63)
        let longest = "\(label).\(label).\(label).\(String(repeating: "a", count: 61))"
        #expect(longest.utf8.count == 253)
        for good in [
            "localhost", "_sip.Example.com", "xn--bcher-kva.example", "1and1.example", "a-.b", "1.2.3.4.5e", longest,
        ] {
            #expect(name(good) == .hello(serverName: good.lowercased(), protocols: []), "\(good)")
            #expect(name(good + ".") == .hello(serverName: good.lowercased(), protocols: []), "\(good).")
        }
        for bad in [
            "", ".", "..", "a..b", ".a", "a b", "a/b", "a\0", "b\u{FC}cher.example", "*.example.com", "a@b",
            "\(label)a.b", "a\(longest)", "example.com:443", "a\0.example.com", String(repeating: "a.", count: 4000),
        ] {
            #expect(name(bad) == .hello(serverName: nil, protocols: []), "\(bad)")
        }
        for address in ["192.0.2.1", "192.0.2.1.", "10.1", "1", "::1", "2001:db8::1", "[::1]", "::ffff:192.0.2.1"] {
            #expect(name(address) == .hello(serverName: nil, protocols: []), "\(address)")
        }
        #expect(read(MadeHello().bytes) == .hello(serverName: nil, protocols: []))
        var old = MadeHello()
        old.rawExtensions = []
        #expect(read(old.bytes) == .hello(serverName: nil, protocols: []))
    }

    @Test("extensions that servers might interpret differently are rejected")
    func extensions() {
        func outcome(_ extensions: [(type: UInt16, contents: [UInt8])]) -> Outcome {
            var hello = MadeHello()
            hello.extensions = extensions
            return read(hello.bytes)
        }
        let name = MadeHello.serverName("a.example")
        #expect(outcome([name, MadeHello.serverName("b.example")]) == .malformed(.repeatedExtension))
        let protocols = MadeHello.protocols(["h2"])
        #expect(outcome([protocols, protocols]) == .malformed(.repeatedExtension))
        // Two names, and malformed lists.
        for contents in [
            bytes(hex: "0008 000001 61 000001 62"), bytes(hex: "0005 000001 61"), bytes(hex: "0005 010001 61"),
            bytes(hex: "0003 000001 61"), bytes(hex: "0004 000001 61 00"), bytes(hex: "0000"), [],
        ] {
            #expect(outcome([(0, contents)]) == .malformed(.serverName), "\(contents)")
        }
        for contents in [
            bytes(hex: "0000"), bytes(hex: "0001 00"), bytes(hex: "0002 0261"), bytes(hex: "0003 0161"),
            bytes(hex: "0002 0161 00"), [],
        ] {
            #expect(outcome([(16, contents)]) == .malformed(.protocols), "\(contents)")
        }
    }

    @Test("names of other types are skipped")
    func otherNameTypes() {
        for (contents, name) in [
            ("0004 010001 61", nil), ("0008 010001 61 000001 62", "b"), ("0008 000001 61 FF0001 62", "a"),
        ] {
            var hello = MadeHello()
            hello.extensions = [(0, bytes(hex: contents))]
            #expect(read(hello.bytes) == .hello(serverName: name, protocols: []))
        }
    }

    @Test("messages with inconsistent field lengths are rejected")
    func structure() {
        func outcome(_ change: (inout MadeHello) -> Void) -> Outcome {
            var hello = MadeHello()
            change(&hello)
            return read(hello.bytes)
        }
        #expect(outcome { $0.suites = [] } == .malformed(.structure))
        #expect(outcome { $0.suites = [1] } == .malformed(.structure))
        #expect(outcome { $0.compressions = [] } == .malformed(.structure))
        #expect(outcome { $0.session = [UInt8](repeating: 0, count: 33) } == .malformed(.structure))
        for raw in ["00", "0001", "000100", "000400000001", "0004000000", "000000", "00040000000000"] {
            #expect(outcome { $0.rawExtensions = bytes(hex: raw) } == .malformed(.structure), "\(raw)")
        }
        #expect(read(bytes(hex: "16 0301 0004 01 000000")) == .malformed(.structure))
    }

    @Test("non-TLS data is detected by its first bytes")
    func notTLS() {
        #expect(read([]) == .needMore(minimum: 1))
        #expect(read([22]) == .needMore(minimum: 2))
        #expect(read([22, 3]) == .needMore(minimum: 9))
        for beginning in ["GET /", "SSH-2.0", "\0\0\0\u{8}", "\u{16}GET"] {
            #expect(read(beginning.utf8) == .notTLS)
        }
        // An SSL 2 hello, and TLS alerts and application data.
        #expect(read(bytes(hex: "80 2e 01 03 01")) == .notTLS)
        #expect(read(bytes(hex: "15 0301 0002 0228")) == .notTLS)
        #expect(read([22, 2]) == .notTLS)
    }

    @Test("records without a ClientHello are rejected")
    func records() {
        #expect(read(bytes(hex: "16 0301 0000")) == .malformed(.record))
        #expect(read(bytes(hex: "16 0301 4001")) == .malformed(.record))
        #expect(read(bytes(hex: "16 0301 0004 02")) == .malformed(.notHello))
        #expect(read(bytes(hex: "16 0301 0001 01 15")) == .malformed(.record))
        #expect(read(bytes(hex: "16 0301 0001 01 16 0301 0000")) == .malformed(.record))
    }

    @Test("a ClientHello must fit the limit, and an oversized one is rejected early")
    func limit() {
        let bytes = MadeHello.browser("a.example").bytes
        let outcome = Outcome.hello(serverName: "a.example", protocols: ["h2", "http/1.1"])
        #expect(read(bytes, limit: bytes.count) == outcome)
        for limit in [9, 100, bytes.count - 1] {
            #expect(read(bytes, limit: limit) == .tooLong)
            #expect(read(bytes[..<9], limit: limit) == .tooLong)
        }
        #expect(read(bytes[..<8], limit: 9) == .needMore(minimum: 9))
        var large = MadeHello()
        large.extensions = [(21, [UInt8](repeating: 0, count: 16_384 - 9 - 2 - 32 - 1 - 4 - 2 - 2 - 4))]
        #expect(large.bytes.count == 16_384)
        #expect(read(large.bytes) == .hello(serverName: nil, protocols: []))
        large.session = [0]
        #expect(read(large.bytes) == .tooLong)
    }

    @Test("a ClientHello may span at most 128 records")
    func maxRecords() {
        var hello = MadeHello.browser("a.example")
        hello.extensions.append((21, [UInt8](repeating: 0, count: 100)))
        let outcome = Outcome.hello(serverName: "a.example", protocols: ["h2", "http/1.1"])
        let message = hello.message
        let tail = Array(message[127...])
        let most = MadeHello.records(Array(message[..<127]), of: 1) + MadeHello.records(tail)
        #expect(read(most) == outcome)
        let more = MadeHello.records(Array(message[..<128]), of: 1) + MadeHello.records(Array(message[128...]))
        #expect(read(more) == .malformed(.tooManyRecords))
    }

    @Test("no single-byte change traps", arguments: RecordedHello.all)
    func changes(hello: RecordedHello) {
        for position in hello.bytes.indices {
            var changed = hello.bytes
            for byte in [
                UInt8(0), 1, 2, 3, 22, 0x2E, 0x7F, 0x80, 0xFF, hello.bytes[position] &+ 1, hello.bytes[position] &- 1,
            ] {
                changed[position] = byte
                guard case .hello(let name?, _) = read(changed), !SNIHostName.isWellFormed(Array(name.utf8)) else {
                    continue
                }
                Issue.record("name \(name), with \(byte) at \(position)")
            }
        }
    }
}
