import Support
import Testing

@Suite("Commands that control a running proxy", .ownThreads, .serialized, .timeLimit(.minutes(2)))
struct ControlCommandTests {
    @Test("drain, weight and enable change a server, and status shows it")
    func serverCommands() async throws {
        let server = try TestListener()
        try await withBalancer(over: ["\(server.address)"]) { proxy in
            let admin = "\(try #require(proxy.metrics))"
            let name = "\(server.address)"
            func run(_ command: String, _ more: String...) async throws -> [String] {
                let result = try await runMonkey([command, "servers", name] + more + [admin])
                #expect(result.exit == .code(0), "\(result.errors)")
                return result.output
            }
            func status() async throws -> [Substring] {
                let result = try await runMonkey(["status", admin])
                #expect(result.output.first?.hasPrefix("Ready, version ") == true)
                return result.output.last?.split(separator: " ") ?? []
            }
            #expect(try await run("drain") == ["Server \(name) of pool servers is draining"])
            #expect(try await status().dropFirst().first == "draining:")
            #expect(try await run("enable") == ["Server \(name) of pool servers is enabled"])
            #expect(try await run("weight", "7") == ["Server \(name) of pool servers has the weight 7"])
            #expect(try await status() == ["\(name)", "unchecked", "0", "0", "0", "7"])
            #expect(try await run("disable") == ["Server \(name) of pool servers is disabled"])
        }
    }

    @Test("close resets the matching connections and reports their number")
    func close() async throws {
        let server = try TestListener()
        try await withBalancer(over: ["\(server.address)"]) { proxy in
            let admin = "\(try #require(proxy.metrics))"
            let pair = try RelayedPair(through: proxy, to: server)
            try pair.exchange()
            let none = try await runMonkey(["close", "--client", "192.0.2.1", admin])
            #expect(none.output == ["0 connections closed"])
            let one = try await runMonkey(["close", "--pool", "servers", admin, "--json"])
            #expect(one.output == ["{\"closed\":1}"])
            #expect(try pair.client.receiveRest().end == .reset)
        }
    }

    @Test("many commands in a row are all answered, and readiness is never mistaken")
    func manyCommands() async throws {
        let server = try TestListener()
        try await withBalancer(over: ["\(server.address)"]) { proxy in
            let admin = "\(try #require(proxy.metrics))"
            for _ in 0..<20 {
                let result = try await runMonkey(["status", admin])
                #expect(result.exit == .code(0), "\(result.errors)")
                #expect(result.output.first?.hasPrefix("Ready, version ") == true)
            }
        }
    }

    @Test("a mistake is one line that says how to fix it, and the exit code is 1")
    func mistakes() async throws {
        let server = try TestListener()
        try await withBalancer(over: ["\(server.address)"]) { proxy in
            let admin = "\(try #require(proxy.metrics))"
            try await runMonkey(["drain", "db", "a", admin]).expectFailure(naming: "unknown pool 'db'")
            try await runMonkey(["weight", "servers", "\(server.address)", "x", admin])
                .expectFailure(naming: "0 to 256, or configured")
            try await runMonkey(["reload", admin]).expectFailure(naming: "start the proxy with monkey run")
            try await runMonkey(["close", admin]).expectFailure(code: 64, naming: "--client")
            try await runMonkey(["status", "127.0.0.1:1"]).expectFailure(naming: "Connection refused")
        }
    }
}
