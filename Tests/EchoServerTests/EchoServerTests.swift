import EchoServer
import Foundation
import Randomness
import Sockets
import Support
import Testing

@Suite("Echo server", .ownThreads, .timeLimit(.minutes(2)))
struct EchoServerTests {
    private let pattern = Pattern(seed: 5)

    @Test(
        "IPv4, IPv6 and host names are accepted",
        arguments: ["127.0.0.1:0", "[::1]:0", "localhost:0", "*:0"],
        [1, 3]
    )
    func families(listen: String, threads: Int) async throws {
        try await withServer(listen, { $0.threads = threads }) { server, address in
            let port = try #require(server.localAddress.port)
            #expect(port != 0)
            let target = listen == "*:0" ? TestAddress.ip("127.0.0.1", port: port) : address
            for _ in 0..<10 {
                let client = try TestSocket.connect(to: target)
                try client.send("hello")
                try client.receive("hello")
                try client.finish()
                #expect(try client.receiveRest() == .init(bytes: [], end: .fin))
            }
            #expect(server.counters.total == 10)
            #expect(server.counters.ended == 10)
            #expect(server.counters.bytesReceived == 50)
            #expect(server.counters.bytesSent == 50)
        }
    }

    @Test("A Unix socket works, and its file is removed at the end", arguments: [1, 3])
    func unix(threads: Int) async throws {
        try await withScratchFolder { folder in
            let path = "\(folder)/echo"
            try await withServer("unix:\(path)", { $0.threads = threads }) { server, address in
                #expect(server.localAddress == .unix(path: path))
                for _ in 0..<30 {
                    let client = try TestSocket.connect(to: address)
                    try client.send("hello")
                    try client.finish()
                    #expect(try client.receiveRest().text == "hello")
                }
                #expect(server.counters.total == 30)
            }
            #expect(!FileManager.default.fileExists(atPath: path))
        }
    }

    @Test("Bulk data is echoed completely in both directions", arguments: ["127.0.0.1:0", "unix:"])
    func bulk(listen: String) async throws {
        try await withScratchFolder { folder in
            try await withServer(listen == "unix:" ? "unix:\(folder)/echo" : listen) { server, address in
                let client = try TestSocket.connect(to: address)
                let count = 16 << 20
                async let sending: Void = {
                    try client.send(pattern, count: count)
                    try client.finish()
                }()
                let (received, end) = try client.receiveRest(of: pattern)
                try await sending
                #expect(received == count)
                #expect(end == .fin)
                #expect(server.counters.bytesSent == count)
            }
        }
    }

    @Test("Responses are complete over a real socket")
    func responses() async throws {
        let size = 300_007
        let respond = { (configuration: inout EchoServer.Configuration) in
            configuration.mode = .respond
            configuration.responseSize = size
        }
        try await withServer("127.0.0.1:0", respond) { server, address in
            let client = try TestSocket.connect(to: address)
            try client.send(String(repeating: "r", count: 300))
            try client.finish()
            let rest = try client.receiveRest()
            #expect(rest.bytes.count == 3 * size)
            #expect(rest.end == .fin)
            for start in stride(from: 0, to: rest.bytes.count, by: size) {
                let response = rest.bytes[start..<min(start + size, rest.bytes.count)]
                #expect(response.withUnsafeBytes { BytePattern.firstDifference(in: $0) } == nil)
            }
            #expect(server.counters.bytesSent == 3 * size)
        }
    }

    @Test("Pacing applies to accepted TCP connections; Unix sockets reject it")
    func paced() async throws {
        let paced = { (configuration: inout EchoServer.Configuration) in
            configuration.mode = .source
            configuration.pace = 50_000_000
            configuration.closeAfter = 1 << 20
        }
        try await withServer("127.0.0.1:0", paced) { _, address in
            let client = try TestSocket.connect(to: address)
            try client.finish()
            let rest = try client.receiveRest()
            #expect(rest.bytes.count == 1 << 20)
            #expect(rest.bytes.withUnsafeBytes { BytePattern.firstDifference(in: $0) } == nil)
            #expect(rest.end == .fin)
        }
        var configuration = EchoServer.Configuration()
        configuration.pace = 1
        await #expect(throws: EchoServerError.self) {
            _ = try await EchoServer.bind("unix:/nowhere/echo", configuration: configuration)
        }
    }

    @Test("A client that does not read is not read from, and receives everything later")
    func stalledReader() async throws {
        try await withServer { server, address in
            let client = try TestSocket.connect(to: address, receiveBuffer: 8192)
            var sent = 0
            var last = (0, 0)
            try await eventually("blocked sender") {
                // The server has filled the client's receive window; it is blocked when nothing moves.
                while case let count = try pattern.withBytes(from: sent, count: 65_536, client.sendWithoutWaiting),
                    count > 0
                {
                    sent += count
                }
                defer { last = (sent, server.counters.bytesSent) }
                return last == (sent, server.counters.bytesSent) && sent > 0
            }
            #expect(server.counters.bytesReceived - server.counters.bytesSent <= 256 << 10)
            async let finishing: Void = client.finish()
            let (received, end) = try client.receiveRest(of: pattern)
            try await finishing
            #expect(received == sent)
            #expect(end == .fin)
        }
    }

    @Test("An urgent byte stays in order")
    func urgent() async throws {
        try await withServer { _, address in
            let client = try TestSocket.connect(to: address)
            try client.send("abc")
            #expect(send(try client.descriptor, "!", 1, Int32(MSG_OOB)) == 1)
            try client.send("def")
            try client.finish()
            // The urgent byte is echoed, but not as urgent data.
            #expect(try client.receiveRest().text == "abc!def")
        }
    }

    @Test("Connections on several workers are all counted")
    func many() async throws {
        try await withServer("127.0.0.1:0", { $0.threads = 3 }) { server, address in
            let clients = try (0..<300).map { _ in try TestSocket.connect(to: address) }
            for (index, client) in clients.enumerated() { try client.send("client \(index)") }
            for (index, client) in clients.enumerated() { try client.receive("client \(index)") }
            #expect(server.counters.active == 300)
            for client in clients.dropFirst(100) { try client.reset() }
            for client in clients.prefix(100) {
                try client.finish()
                #expect(try client.receiveRest().end == .fin)
            }
            try await eventually("end of all connections") { server.counters.active == 0 }
            #expect(server.counters.ended == 100)
            #expect(server.counters.reset == 200)
        }
    }

    @Test("A sink receives everything and a source sends its pattern")
    func modes() async throws {
        try await withServer("127.0.0.1:0", { $0.mode = .sink }) { server, address in
            let client = try TestSocket.connect(to: address)
            try client.send(pattern, count: 4 << 20)
            try client.finish()
            #expect(try client.receiveRest() == .init(bytes: [], end: .fin))
            #expect(server.counters.bytesReceived == 4 << 20)
        }
        try await withServer("127.0.0.1:0", { $0.mode = .source }) { _, address in
            let client = try TestSocket.connect(to: address)
            let bytes = try client.receive(exactly: 4 << 20)
            #expect(bytes.withUnsafeBytes { BytePattern.firstDifference(in: $0) } == nil)
            try client.reset()
        }
    }

    @Test("Delay, chunk size and early close combine")
    func features() async throws {
        try await withServer(
            "127.0.0.1:0",
            {
                $0.delay = .constant(.milliseconds(30))
                $0.chunk = 5
                $0.closeAfter = 12
            }
        ) { server, address in
            let client = try TestSocket.connect(to: address)
            let start = ContinuousClock.now
            try client.send("twelve bytes, not more")
            let rest = try client.receiveRest()
            #expect(ContinuousClock.now - start >= .milliseconds(30))
            #expect(rest == .init(bytes: Array("twelve bytes".utf8), end: .fin))
            client.close()
            try await eventually("end of the connection") { server.counters.active == 0 }
            #expect(server.counters.closed == 1)
        }
    }

    @Test("A stalled server answers when the stall is over")
    func stall() async throws {
        try await withServer(
            "127.0.0.1:0",
            { $0.stall = .init(length: .milliseconds(200), period: .milliseconds(250)) }
        ) { _, address in
            let client = try TestSocket.connect(to: address)
            try await eventually("exchange during a stall") {
                let start = ContinuousClock.now
                try client.send("x")
                try client.receive("x")
                return ContinuousClock.now - start > .milliseconds(150)
            }
        }
    }
}
