import Foundation
import Sockets
import Support
import Testing

@testable import TCPProxy

@Suite("Forwarding loops in a configuration")
struct ForwardingGraphTests {
    private let local = LocalAddresses([InternetAddress(host: "192.0.2.7", port: 0)!])

    /// Returns the first loop of listeners `a`, `b`, ... that each forward to one server.
    private func loop(_ pairs: [(listen: String, server: String)]) -> ForwardingGraph.Loop? {
        let names = ["a", "b", "c"]
        return ForwardingGraph(
            zip(names, pairs).map { name, pair in
                .init(name: name, addresses: [SocketAddress(pair.listen)], pools: ["to-\(name)"])
            },
            servers: Dictionary(
                uniqueKeysWithValues: zip(names, pairs).map { name, pair in
                    ("to-\(name)", [(pair.server, SocketAddress(pair.server))])
                }
            ),
            local: local
        ).firstLoop
    }

    @Test(
        "a server that is the listener itself is a loop",
        arguments: [
            ("127.0.0.1:80", "127.0.0.1:80"), ("0.0.0.0:80", "127.0.0.9:80"), ("0.0.0.0:80", "192.0.2.7:80"),
            ("[::]:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("[::]:80", "192.0.2.7:80"),
            ("127.0.0.1:80", "0.0.0.0:80"), ("[::1]:80", "[::]:80"), ("192.0.2.7:80", "192.0.2.7:80"),
            ("unix:/run/a", "unix:/run/a"), ("unix:/tmp/a", "unix:/tmp/../tmp/./a"), ("unix:/a", "unix:/tmp/../a"),
            ("unix:@a", "unix:@a"),
        ]
    )
    func own(listen: String, server: String) throws {
        let found = try #require(loop([(listen, server)]))
        #expect(found == .init(listener: "a", pool: "to-a", server: server, target: "a"))
    }

    @Test("a Unix socket is found by another spelling of its path")
    func spelling() async throws {
        try await withScratchFolder { folder in
            try FileManager.default.createSymbolicLink(atPath: "\(folder)/link", withDestinationPath: folder)
            #expect(loop([("unix:\(folder)/a", "unix:\(folder)/link/a")]) != nil)
            #expect(loop([("unix:\(folder)/a", "unix:\(folder)/link/b")]) == nil)
        }
    }

    @Test(
        "a server that another socket accepts is not a loop",
        arguments: [
            ("127.0.0.1:80", "127.0.0.1:81"), ("127.0.0.1:80", "127.0.0.2:80"), ("0.0.0.0:80", "192.0.2.8:80"),
            ("0.0.0.0:80", "[::1]:80"), ("192.0.2.7:80", "0.0.0.0:80"), ("[::]:80", "198.51.100.1:80"),
            ("127.0.0.1:0", "127.0.0.1:0"), ("unix:/run/a", "unix:/run/b"), ("192.0.2.7:80", "127.0.0.1:80"),
        ]
    )
    func other(listen: String, server: String) {
        #expect(loop([(listen, server)]) == nil)
    }

    @Test("listeners that forward to each other in a circle are a loop; a chain is not")
    func circle() {
        #expect(
            loop([("127.0.0.1:80", "127.0.0.1:81"), ("127.0.0.1:81", "127.0.0.1:80")])
                == .init(listener: "a", pool: "to-a", server: "127.0.0.1:81", target: "b")
        )
        let chain = [("127.0.0.1:80", "127.0.0.1:81"), ("127.0.0.1:81", "127.0.0.1:82")]
        #expect(loop(chain) == nil)
        #expect(loop(chain + [("0.0.0.0:82", "198.51.100.1:80")]) == nil)
        #expect(loop(chain + [("0.0.0.0:82", "127.0.0.1:80")])?.target == "b")
        #expect(
            loop([("127.0.0.1:80", "127.0.0.1:81"), ("127.0.0.1:81", "127.0.0.1:81")])
                == .init(listener: "b", pool: "to-b", server: "127.0.0.1:81", target: "b")
        )
    }

    @Test("the addresses of this machine include the loopback addresses")
    func machine() throws {
        let local = LocalAddresses.current()
        for host in ["127.0.0.1", "127.8.9.10", "::1", "0.0.0.0", "::"] {
            #expect(local.contains(try #require(InternetAddress(host: host, port: 80))), "\(host)")
        }
        for host in ["198.51.100.1", "2001:db8::1", "126.0.0.1", "128.0.0.1"] {
            #expect(!local.contains(try #require(InternetAddress(host: host, port: 80))), "\(host)")
        }
    }
}
