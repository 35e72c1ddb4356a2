import ProcessSupport
import EchoServer
import Foundation
import ProcessSupport
import Randomness
import Sockets
import Support
import Testing

extension EchoServer {
    /// The address that a test connects to.
    fileprivate var testAddress: TestAddress? { TestAddress("\(localAddress)") }
}

/// Runs a server for the duration of `body`, then stops it.
private func withServer<Value>(
    _ listen: String = "127.0.0.1:0",
    _ configure: (inout EchoServer.Configuration) -> Void = { _ in },
    _ body: (EchoServer, TestAddress) async throws -> Value
) async throws -> Value {
    var configuration = EchoServer.Configuration()
    configure(&configuration)
    let server = try await EchoServer.bind(listen, configuration: configuration)
    async let run: Void = server.run()
    do {
        let value = try await body(server, try #require(server.testAddress))
        await server.shutdown(grace: .zero)
        try await run
        return value
    } catch {
        await server.shutdown(grace: .zero)
        throw error
    }
}

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
            try await eventually("blocked sender") {
                // The server has filled the client's receive window; it is blocked when nothing moves.
                let before = (sent, server.counters.bytesSent)
                while case let count = try pattern.withBytes(from: sent, count: 65_536, client.sendWithoutWaiting),
                    count > 0
                {
                    sent += count
                }
                try await Task.sleep(for: .milliseconds(100))
                return before == (sent, server.counters.bytesSent) && sent > 0
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

@Suite("Echo server lifecycle", .ownThreads, .timeLimit(.minutes(2)))
struct EchoServerLifeTests {
    @Test("A shutdown waits for connections until the grace period ends")
    func shutdown() async throws {
        let server = try await EchoServer.bind("127.0.0.1:0")
        let address = try #require(server.testAddress)
        async let run: Void = server.run()
        let (first, second) = (try TestSocket.connect(to: address), try TestSocket.connect(to: address))
        for client in [first, second] {
            try client.send("x")
            try client.receive("x")
        }
        async let shutdown: Void = server.shutdown(grace: .seconds(3))
        try await eventually("refusal of new connections") {
            do {
                try TestSocket.connect(to: address).close()
                return false
            } catch let failure as SystemFailure {
                return failure.code == ECONNREFUSED || failure.code == ECONNRESET
            }
        }
        try first.send("served")
        try first.receive("served")
        try first.finish()
        #expect(try first.receiveRest().end == .fin)
        #expect(try second.receiveRest().end == .reset)
        await shutdown
        try await run
        #expect(server.counters.forced == 1)
        #expect(server.counters.active == 0)
    }

    @Test("Cancellation resets connections immediately")
    func cancellation() async throws {
        let server = try await EchoServer.bind("127.0.0.1:0")
        let task = Task { try await server.run() }
        let client = try TestSocket.connect(to: try #require(server.testAddress))
        try client.send("x")
        try client.receive("x")
        task.cancel()
        try await task.value
        #expect(try client.receiveRest().end == .reset)
        #expect(server.counters.forced == 1)
    }

    @Test("A task canceled before it runs returns")
    func cancelledBefore() async throws {
        let server = try await EchoServer.bind("127.0.0.1:0", configuration: .init())
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            try await server.run()
        }
        task.cancel()
        try await task.value
    }

    @Test("A server runs only once")
    func runsOnce() async throws {
        try await withServer { server, address in
            // The server is running, since it responds.
            let client = try TestSocket.connect(to: address)
            try client.send("x")
            try client.receive("x")
            await #expect(throws: EchoServerError.alreadyRun) { try await server.run() }
        }
    }

    @Test("A shutdown before run releases the port, and a later run returns")
    func neverRun() async throws {
        let server = try await EchoServer.bind("127.0.0.1:0")
        await server.shutdown()
        let again = try await EchoServer.bind("\(server.localAddress)")
        try await server.run()
        await again.shutdown()
    }

    @Test("An unused bound server releases its port and its file")
    func forgotten() async throws {
        func bound(_ listen: String) async throws -> SocketAddress {
            try await EchoServer.bind(listen, configuration: .init()).localAddress
        }
        let address = try await bound("127.0.0.1:0")
        // A program that another test is starting may hold a copy of it for a moment.
        try await eventually("bind to the same port") { (try? await bound("\(address)")) == address }
        try await withScratchFolder { folder in
            _ = try await bound("unix:\(folder)/s")
            #expect(!FileManager.default.fileExists(atPath: "\(folder)/s"))
        }
    }

    @Test("Clients that connect before run are served")
    func early() async throws {
        let server = try await EchoServer.bind("127.0.0.1:0")
        let client = try TestSocket.connect(to: try #require(server.testAddress))
        try client.send("early")
        async let run: Void = server.run()
        try client.receive("early")
        client.close()
        await server.shutdown()
        try await run
    }
}

@Suite("Echo server bind errors", .ownThreads)
struct EchoServerErrorTests {
    private func error(_ listen: String, threads: Int = 1) async -> EchoServerError? {
        var configuration = EchoServer.Configuration()
        configuration.threads = threads
        do {
            await (try EchoServer.bind(listen, configuration: configuration)).shutdown(grace: .zero)
            return nil
        } catch {
            return error
        }
    }

    @Test("An invalid address is rejected")
    func badAddress() async throws {
        guard case .address(let problem) = await error("127.0.0.1") else {
            Issue.record("no error")
            return
        }
        #expect(problem.problem == .noPort)
    }

    @Test("An invalid socket path is rejected", arguments: ["", "/a\0b", "/" + String(repeating: "p", count: 107)])
    func badPath(path: String) async throws {
        let error = await #expect(throws: EchoServerError.self) {
            _ = try await EchoServer.bind(.socket(.unix(path: path)), configuration: .init())
        }
        guard case .address = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test("An unresolvable name is rejected")
    func unknownHost() async throws {
        // RFC 2606: this name never exists.
        guard case .unknownHost("nobody.invalid", _) = await error("nobody.invalid:80") else {
            Issue.record("no error")
            return
        }
    }

    @Test("A port in use is rejected, even if its listener shares it", arguments: [1, 3], [true, false])
    func inUse(threads: Int, isShared: Bool) async throws {
        let other = try TestListener(reusePort: isShared)
        let listen = "127.0.0.1:\(other.port)"
        let error = await error(listen, threads: threads)
        #expect(error == .cannotListen(.addressInUse(try ServiceAddress(parsing: listen))))
        #expect(error.map { "\($0)" }?.contains("\(listen) is in use") == true)
    }

    @Test("A non-local address is rejected")
    func foreign() async throws {
        #expect(
            await error("192.0.2.1:0")
                == .cannotListen(.addressNotAvailable(try ServiceAddress(parsing: "192.0.2.1:0")))
        )
    }

    @Test("A live Unix socket and a regular file are rejected, a stale socket is replaced", arguments: [1, 3])
    func unix(threads: Int) async throws {
        try await withScratchFolder { folder in
            let (live, stale, file) = ("\(folder)/live", "\(folder)/stale", "\(folder)/file")
            let listener = try TestListener(on: .unix(path: live))
            #expect(
                await error("unix:\(live)", threads: threads)
                    == .cannotListen(.addressInUse(.socket(.unix(path: live))))
            )
            listener.close()
            #expect(await error("unix:\(live)", threads: threads) == nil)
            try TestListener(on: .unix(path: stale)).close()
            #expect(await error("unix:\(stale)", threads: threads) == nil)
            try "precious".write(toFile: file, atomically: false, encoding: .utf8)
            #expect(await error("unix:\(file)", threads: threads) == .cannotListen(.notASocket(path: file)))
            #expect(try String(contentsOfFile: file, encoding: .utf8) == "precious")
            guard case .cannotListen(.other(_, SystemError(code: ENOENT))) = await error("unix:\(folder)/none/s") else {
                Issue.record("no error for a missing directory")
                return
            }
        }
    }

    @Test("Each error is one sentence that states a fix")
    func sentences() throws {
        let web = try ServiceAddress(parsing: "127.0.0.1:80")
        let errors: [(EchoServerError, [String])] = [
            (.unknownHost("nobody", detail: "why"), ["nobody", "why", "IP address"]),
            (.cannotListen(.addressInUse(web)), ["127.0.0.1:80 is in use"]),
            (.badSetting(name: "chunk", value: "0", allowed: "at least 1"), ["invalid chunk '0': must be at least 1"]),
            (.alreadyRun, ["bind another"]),
            (.system(.tooManyOpenFiles), ["Too many open files"]),
        ]
        for (error, parts) in errors {
            #expect(parts.allSatisfy("\(error)".contains), "\(error)")
            #expect(!"\(error)".contains("\n"))
        }
    }
}
