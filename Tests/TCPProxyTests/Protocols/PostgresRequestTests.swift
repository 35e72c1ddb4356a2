import Testing

@testable import TCPProxy

@Suite("First messages of PostgreSQL clients")
struct PostgresRequestTests {
    private typealias Messages = PostgresMessages

    private func read(_ bytes: [UInt8]) -> PostgresRequest.ParseResult {
        bytes.withUnsafeBytes { PostgresRequest.read($0) }
    }

    @Test("each message is recognized, whatever follows")
    func messages() {
        let expected: [([UInt8], PostgresRequest.ParseResult)] = [
            (Messages.tlsRequest, .request(.tls)), (Messages.gssapiRequest, .request(.gssapi)),
            (Messages.cancel, .request(.cancel)),
            (Messages.startup, .request(.startup(length: Messages.startup.count))),
            ([22, 3, 1], .tlsRecord),
        ]
        for (bytes, result) in expected {
            #expect(read(bytes) == result)
            #expect(read(bytes + [1, 2, 3]) == result)
        }
    }

    @Test("an incomplete message needs its first eight bytes")
    func incomplete() {
        #expect(read([]) == .needMore(minimum: 1))
        for message in [Messages.tlsRequest, Messages.gssapiRequest, Messages.cancel, Messages.startup] {
            for count in 1..<8 { #expect(read(Array(message[..<count])) == .needMore(minimum: 8)) }
        }
    }

    @Test(
        "other bytes are malformed, as soon as that is certain",
        arguments: [
            Array("GET / HTTP/1.1\r\n".utf8), Array("\n".utf8), [0, 1], [21], [0, 0, 0, 7, 0, 3, 0, 0],
            [0, 0, 0, 9, 4, 210, 22, 47], [0, 0, 0, 8, 4, 210, 22, 49], [0, 0, 0, 8, 0, 4, 0, 0],
            [0, 0, 0x27, 0x11, 0, 3, 0, 0], [0, 0, 0, 15, 4, 210, 22, 46], [0, 0, 1, 13, 4, 210, 22, 46],
            [0, 0, 0, 8, 0, 1, 0, 0], [UInt8](repeating: 0, count: 8),
        ] as [[UInt8]]
    )
    func malformed(bytes: [UInt8]) {
        #expect(read(bytes) == .malformed)
    }

    @Test("startup messages up to the limit of the server, of protocols 2 and 3, are recognized")
    func startups() {
        #expect(read([0, 0, 0x27, 0x10, 0, 3, 0, 2]) == .request(.startup(length: 10_000)))
        #expect(read([0, 0, 0, 8, 0, 2, 0, 0]) == .request(.startup(length: 8)))
        #expect(read([0, 0, 1, 12, 4, 210, 22, 46]) == .request(.cancel))
    }

    @Test("the refusal of a client without TLS is a complete ErrorResponse")
    func refusal() {
        let message = PostgresRequest.tlsRequired
        #expect(message.first == UInt8(ascii: "E"))
        #expect(message[1...4].reduce(0) { $0 << 8 | Int($1) } == message.count - 1)
        #expect(message.suffix(2) == [0, 0])
    }
}
