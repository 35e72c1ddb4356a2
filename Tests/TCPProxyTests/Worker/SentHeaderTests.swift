import FakeSystem
import Sockets
import Testing

@testable import TCPProxy

@Suite("PROXY protocol to the server")
struct SentHeaderTests {
    private func sent(
        _ version: ProxyProtocolVersion,
        _ first: [UInt8],
        from source: PeerAddress = trustedProxy,
        trusts: Bool = true
    ) throws -> [UInt8] {
        var received: [UInt8] = []
        try withProxy(
            pool: { $0.proxyProtocol = version },
            configure: { if trusts { trusting(.optional)(&$0) } }
        ) { proxy in
            let client = proxy.connect(from: source)
            client.send(first)
            proxy.settle()
            received = proxy.server.connections[0].received
            proxy.server.connections[0].send("answer")
            proxy.settle()
            #expect(client.text == "answer")
        }
        return received
    }

    private let hello = Array("hello".utf8)

    @Test("the header comes first, followed by the client's bytes once", arguments: ProxyProtocolVersion.allCases)
    func plain(version: ProxyProtocolVersion) throws {
        let header = try ProxyProtocolHeader.write(
            version,
            .addresses(source: SocketAddress("203.0.113.1:5000"), destination: SocketAddress("127.0.0.1:8080"))
        )
        #expect(try sent(version, hello, from: untrustedClient, trusts: false) == header + hello)
        #expect(try sent(version, hello, from: untrustedClient) == header + hello)
    }

    @Test("addresses from a received header are forwarded, from and to each version", arguments: [1, 2])
    func passedOn(version: Int) throws {
        let addresses = ProxyProtocolHeader.OutboundAddresses.addresses(
            source: SocketAddress("192.0.2.7:1234"),
            destination: SocketAddress("198.51.100.1:443")
        )
        for first in [Array(headerLine.utf8), try binaryHeader(fields: [])] {
            let version: ProxyProtocolVersion = version == 1 ? .v1 : .v2
            #expect(try sent(version, first + hello) == ProxyProtocolHeader.write(version, addresses) + hello)
            // If the server speaks first, the header must not wait for bytes of the client either.
            #expect(try sent(version, first) == ProxyProtocolHeader.write(version, addresses))
        }
    }

    @Test("TLVs of a received header are forwarded, with a correct checksum")
    func fields() throws {
        let checked = try ProxyProtocolHeader.write(
            .v2,
            .addresses(source: SocketAddress("192.0.2.7:1234"), destination: SocketAddress("198.51.100.1:443")),
            tlvs: [0xE0, 0, 2, 1, 2],
            checksum: true
        )
        #expect(try sent(.v2, binaryHeader() + hello) == binaryHeader() + hello)
        #expect(try sent(.v2, checked + hello) == checked + hello)
        #expect(try sent(.v1, checked + hello) == Array(headerLine.utf8) + hello)
    }

    @Test("addresses are forwarded; instead of unknown ones and Unix paths, those of the connection")
    func others() throws {
        for whole in ProxyProtocolBinaryTests.whole {
            let received = try sent(.v2, whole + hello)
            guard case .header(let before) = ProxyProtocolHeader.read(whole),
                case .header(let after) = ProxyProtocolHeader.read(received)
            else {
                Issue.record("no header in \(received)")
                continue
            }
            #expect(Array(received[after.length...]) == hello)
            #expect(Array(received[after.tlvs]) == Array(whole[before.tlvs]))
            switch before.origin {
            case .internet:
                #expect(after.origin == before.origin)
            case .local, .unknown, .unix:
                let own = SocketAddress("127.0.0.1:8080")
                guard case .internet(let source) = trustedProxy, case .internet(let destination) = own else { return }
                #expect(after.origin == .internet(source: source, destination: destination))
            }
        }
    }

    @Test("after a failed attempt the next server receives exactly one header")
    func retries() throws {
        try withProxy(upstreams: 2, pool: { $0.proxyProtocol = .v1 }, configure: trusting(.required)) { proxy in
            proxy.servers[0].answer = .fail(.connectionRefused)
            _ = proxy.connect(sending: headerLine + "hello", from: trustedProxy)
            #expect(proxy.servers[1].connections.map(\.text) == [headerLine + "hello"])
        }
    }

    @Test("a partially sent header is completed before a client's bulk data")
    func pieces() throws {
        try withProxy(
            in: .small(receiveBuffer: 7, sendBuffer: 5),
            pool: { $0.proxyProtocol = .v2 },
            configure: trusting(.required)
        ) { proxy in
            let client = proxy.connect(from: trustedProxy)
            client.send(try binaryHeader())
            client.sendPattern(count: 3000)
            client.finish()
            proxy.advance(by: .seconds(1))
            let header = try binaryHeader()
            let server = proxy.server.connections[0]
            #expect(Array(server.received.prefix(header.count)) == header)
            #expect(server.received.count == header.count + 3000)
            #expect(server.end == .fin)
        }
    }
}
