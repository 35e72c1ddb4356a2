import Foundation
import Support
import Testing

@Suite("Access log", .ownThreads, .serialized, .timeLimit(.minutes(2)))
struct AccessLogTests {
    /// The members of a log line.
    private struct Line: Decodable {
        var client: String
        var listener: String
        var pool: String
        var attempts: Int
        var bytes_upstream: Int
        var bytes_downstream: Int
        var total_seconds: Double
        var reason: String
        var initiator: String

        // Without a value, for some outcomes.
        var server: String?
        var connect_seconds: Double?
        var first_byte_seconds: Double?
    }

    /// Waits until the file has `count` lines, and returns them.
    private func lines(_ count: Int, of path: String) async throws -> [Line] {
        var lines: [Substring] = []
        try await eventually("\(count) lines in \(path)") {
            lines = (try? String(contentsOfFile: path, encoding: .utf8))?.split(separator: "\n") ?? []
            return lines.count >= count
        }
        #expect(lines.count == count)
        return try lines.map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)) }
    }

    @Test("each connection is logged, whatever its outcome")
    func connections() async throws {
        let servers = try (0..<2).map { _ in try TestListener() }
        let written = ["\(servers[0].address),name=one", "\(servers[1].address),name=two,backup"]
        try await withScratchFolder { folder in
            let path = "\(folder)/access.log"
            let options = ["--access-log", path, "--access-log-format", "json", "--no-ejection"]
            try await withBalancer(over: written, options) { proxy in
                let pair = try RelayedPair(through: proxy, to: servers[0])
                try pair.exchange()
                let client = try pair.client.localAddress
                pair.client.close()
                pair.server.close()
                let line = try await lines(1, of: path)[0]
                #expect(line.client == "\(client)")
                #expect(line.pool == "servers")
                #expect(line.server == "one")
                #expect(line.attempts == 1)
                #expect(line.bytes_upstream == 4)
                #expect(line.bytes_downstream == 4)
                #expect(line.reason == "ended")
                #expect(line.initiator == "client")
                let (connect, first) = try (#require(line.connect_seconds), #require(line.first_byte_seconds))
                #expect(connect <= first && first <= line.total_seconds)

                servers[0].close()
                let second = try RelayedPair(through: proxy, to: servers[1])
                try second.server.reset()
                _ = try second.client.receiveRest()
                let reset = try await lines(2, of: path)[1]
                #expect(reset.server == "two")
                #expect(reset.reason == "reset")
                #expect(reset.initiator == "server")

                servers[1].close()
                _ = try proxy.connect().receiveRest()
                let refused = try await lines(3, of: path)[2]
                #expect(["one", "two"].contains { $0 == refused.server })
                #expect(refused.attempts == 2)
                #expect(refused.connect_seconds == nil)
                #expect(refused.reason == "connect_failed")
            }
        }
    }

    @Test("after SIGUSR1 logging continues in a new file, and no line is lost, not even at exit")
    func rotation() async throws {
        let upstream = try TestListener()
        try await withScratchFolder { folder in
            let path = "\(folder)/access.log"
            try await withProxy(to: upstream, ["--access-log", path, "--access-log-format", "json"]) { proxy in
                func connection() throws {
                    let pair = try RelayedPair(through: proxy, to: upstream)
                    try pair.exchange()
                    pair.client.close()
                    pair.server.close()
                }
                try connection()
                _ = try await lines(1, of: path)
                try FileManager.default.moveItem(atPath: path, toPath: "\(folder)/old.log")
                try proxy.program.signal(SIGUSR1)
                try await eventually("a new file") { FileManager.default.fileExists(atPath: path) }
                try connection()
                _ = try await lines(1, of: path)
                _ = try await lines(1, of: "\(folder)/old.log")

                // Forcibly closed by the second signal.
                let pair = try RelayedPair(through: proxy, to: upstream)
                try pair.exchange()
                try proxy.program.signal(SIGTERM)
                try await eventually("the drain") { proxy.program.outputLines.contains { $0.hasPrefix("Draining") } }
                try proxy.end()
                #expect(try await lines(2, of: path)[1].reason == "forced")
            }
        }
    }

    @Test("with -, standard output receives the lines in a custom format")
    func standardOutput() async throws {
        let upstream = try TestListener()
        let options = ["--access-log", "-", "--access-log-format", "ACCESS {bytes_upstream} {reason} by {initiator}"]
        try await withProxy(to: upstream, options) { proxy in
            let pair = try RelayedPair(through: proxy, to: upstream)
            try pair.exchange()
            try pair.client.reset()
            #expect(try proxy.program.output(after: "ACCESS ") == "4 reset by client")
        }
    }

    @Test("an unopenable log and an invalid format are errors that state the cause")
    func mistakes() async throws {
        let proxy = ["proxy", "127.0.0.1:0", "127.0.0.1:1", "--admin", "off"]
        let path = "/no/such/folder/log"
        try await runMonkey(proxy + ["--access-log", path]).expectFailure(naming: path)
        try await runMonkey(proxy + ["--access-log", "-", "--access-log-format", "{clint}"]).expectFailure(
            code: 64,
            naming: "unknown field {clint}; fields are {time}"
        )
        try await runMonkey(proxy + ["--access-log-format", "json"]).expectFailure(
            code: 64,
            naming: "--access-log FILE"
        )
    }
}
