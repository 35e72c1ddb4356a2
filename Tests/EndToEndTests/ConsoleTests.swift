import Foundation
import Support
import Testing

@Suite("Console output", .ownThreads, .serialized, .timeLimit(.minutes(2)))
struct ConsoleTests {
    @Test("Each event is one line in the documented format")
    func events() async throws {
        let upstream = try TestListener()
        try await withProxy(to: upstream, ["--events", "--summary", "off"]) { proxy in
            let first = try RelayedPair(through: proxy, to: upstream)
            let client = try "\(first.client.localAddress)"
            try first.client.send(Array(repeating: 65, count: 1024))
            _ = try proxy.program.outputLine { $0.contains("↑") }
            try first.server.send(Array(repeating: 66, count: 512))
            _ = try proxy.program.outputLine { $0.contains("↓") }
            first.client.close()
            first.server.close()
            _ = try proxy.program.outputLine { $0.contains("ConnectionClosed") }

            // The totals are those of the process, over all connections.
            let second = try RelayedPair(through: proxy, to: upstream)
            let other = try "\(second.client.localAddress)"
            try second.client.send(Array(repeating: 67, count: 1_572_864 - 1024))
            _ = try second.server.receive(exactly: 1_572_864 - 1024)
            second.client.close()
            second.server.close()
            _ = try proxy.program.outputLine { $0.contains("ConnectionClosed \(other)") }

            #expect(
                proxy.metricLines(of: client) == [
                    "[METRICS] ConnectionOpened \(client) | active: 1, total: 1",
                    "[METRICS] \(client) ↑ 1024 | total up: 1.0KB",
                    "[METRICS] \(client) ↓ 512 | total down: 512B",
                    "[METRICS] ConnectionClosed \(client) | active: 0",
                ]
            )
            let lines = proxy.metricLines(of: other)
            #expect(lines.first == "[METRICS] ConnectionOpened \(other) | active: 1, total: 2")
            #expect(lines.dropLast().last?.hasSuffix(" | total up: 1.5MB") == true)
            #expect(lines.last == "[METRICS] ConnectionClosed \(other) | active: 0")
            #expect(lines.bytes("↑") == 1_572_864 - 1024)
        }
    }

    @Test(
        "Events of concurrent connections are complete: opened first, closed last, every byte counted",
        arguments: [1, 2]
    )
    func manyEvents(threads: Int) async throws {
        try await withProxy(to: "echo", ["--events", "--threads", "\(threads)"]) { proxy in
            let clients = try (0..<64).map { _ in try proxy.connect() }
            let names = try clients.map { try "\($0.localAddress)" }
            for round in 0..<4 {
                for client in clients { try client.send(Array(repeating: UInt8(round), count: 2560)) }
                for client in clients { _ = try client.receive(exactly: 2560) }
            }
            for client in clients { client.close() }
            try await eventually("64 closed connections") {
                proxy.program.outputLines.count { $0.contains("ConnectionClosed") } == 64
            }
            for name in names {
                let lines = proxy.metricLines(of: name)
                #expect(lines.first?.hasPrefix("[METRICS] ConnectionOpened \(name) | ") == true)
                #expect(lines.last?.hasPrefix("[METRICS] ConnectionClosed \(name) | ") == true)
                #expect(lines.count { $0.contains("Connection") } == 2)
                #expect(lines.bytes("↑") == 10_240)
                #expect(lines.bytes("↓") == 10_240)
            }
            let ups = proxy.program.outputLines.filter { $0.contains("↑") }
            #expect(ups.last?.hasSuffix("total up: 640.0KB") == true)
            try proxy.end()
        }
    }

    @Test("The last events are printed before the program ends")
    func lastEvents() async throws {
        let upstream = try TestListener()
        try await withProxy(to: upstream, ["--events", "--grace", "200ms"]) { proxy in
            let pair = try RelayedPair(through: proxy, to: upstream)
            try pair.exchange()
            let name = try "\(pair.client.localAddress)"
            try proxy.end()
            let lines = proxy.metricLines(of: name)
            #expect(lines.bytes("↑") == 4)
            #expect(lines.bytes("↓") == 4)
            #expect(lines.last == "[METRICS] ConnectionClosed \(name) | active: 0")
        }
    }

    @Test("Clients over IPv6 and Unix sockets are named")
    func clientNames() async throws {
        try await withProxy(on: .loopback6, to: "echo", ["--events"]) { proxy in
            let client = try proxy.connect()
            let port = try client.localAddress.port
            _ = try proxy.program.outputLine { $0 == "[METRICS] ConnectionOpened [::1]:\(port) | active: 1, total: 1" }
        }
        try await withScratchFolder { folder in
            try await withProxy(on: .unix(path: "\(folder)/front"), to: "echo", ["--events"]) { proxy in
                let client = try proxy.connect()
                try client.send("hello")
                _ = try proxy.program.outputLine { $0 == "[METRICS] ConnectionOpened unix: | active: 1, total: 1" }
                _ = try proxy.program.outputLine { $0 == "[METRICS] unix: ↑ 5 | total up: 5B" }
                client.close()
                _ = try proxy.program.outputLine { $0 == "[METRICS] ConnectionClosed unix: | active: 0" }
            }
        }
    }

    @Test("Without --events, none are printed")
    func silence() async throws {
        try await withProxy(to: "echo", ["--summary", "off"]) { proxy in
            let client = try proxy.connect()
            try client.send("hello")
            try client.receive("hello")
            client.close()
            try proxy.end()
            #expect(!proxy.program.outputLines.contains { $0.hasPrefix("[METRICS]") })
        }
    }

    @Test("--summary prints the totals periodically")
    func summary() async throws {
        let upstream = try TestListener()
        try await withProxy(to: upstream, ["--events", "--summary", "200ms"]) { proxy in
            let pair = try RelayedPair(through: proxy, to: upstream)
            try pair.client.send(Array(repeating: 65, count: 1536))
            _ = try pair.server.receive(exactly: 1536)
            try pair.server.send("12345")
            try pair.client.receive("12345")
            let line = "[METRICS] active: 1 | total: 1 | up: 1.5KB | down: 5B"
            try await eventually("three summaries") { proxy.program.outputLines.count { $0 == line } >= 3 }
        }
    }

    @Test("Denied clients are logged on standard error")
    func denied() async throws {
        try await withProxy(to: "echo", ["--deny", "127.0.0.0/8"]) { proxy in
            let client = try proxy.connect()
            #expect(try client.receiveRest().end == .reset)
            try await eventually("log line") {
                proxy.program.errorLines.contains { line in
                    line.contains("Denied 1 connection") && line.contains("address, the last one from 127.0.0.1:")
                }
            }
        }
    }

    @Test("In JSON, every line is an object")
    func json() async throws {
        try await withScratchFolder { folder in
            let front = TestAddress.unix(path: "\(folder)/front")
            let options = ["--events", "--summary", "100ms", "--log-format", "json", "--admin", "127.0.0.1:0"]
            try await withProgram([monkeyPath, "proxy", "\(front)", "echo"] + options) { program in
                _ = try program.outputLine { $0.contains("Metrics on") }
                let client = try TestSocket.connect(to: front)
                try client.send("hello")
                try client.receive("hello")
                client.close()
                _ = try program.outputLine { $0.contains("ConnectionClosed") }
                _ = try program.outputLine { $0.contains("down: 5B") }
                try program.signal(SIGTERM)
                #expect(try program.waitForExit() == .code(0))

                var messages: [String] = []
                for line in program.outputLines + program.errorLines {
                    let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
                    try messages.append(#require(object?["message"] as? String, "\(line)"))
                    #expect(object?["level"] is String)
                    #expect(object?["time"] is String)
                }
                #expect(messages.contains("Proxy listening on \(front)"))
                #expect(messages.contains("[METRICS] ConnectionOpened unix: | active: 1, total: 1"))
                #expect(messages.contains("[METRICS] unix: ↑ 5 | total up: 5B"))
                #expect(messages.contains("Drained: 0 connections completed, 0 closed forcibly"))
            }
        }
    }

    @Test("The banner is printed only on terminals")
    func banner() async throws {
        try await withProxy(to: "echo") { proxy in
            #expect(proxy.program.outputLines.prefix(2).map { $0.prefix(5) } == ["Proxy", "Forwa"])
            try proxy.end()
        }
        // The proxy ignores the SIGHUP of a closed terminal, so it is ended by its process ID.
        let command = "echo process $$; exec \(monkeyPath) proxy 127.0.0.1:0 echo --admin off"
        try await withProgram(["script", "--quiet", "--return", "--command", command, "/dev/null"]) { terminal in
            let process = try terminal.output(after: "process ").trimmingCharacters(in: .whitespacesAndNewlines)
            let processID = try #require(Int32(process))
            defer { kill(processID, SIGKILL) }
            _ = try terminal.outputLine { $0.hasPrefix("Forwarding to ") }
            let before = terminal.outputLines.dropFirst().prefix { !$0.hasPrefix("Proxy listening on ") }
            #expect(!before.isEmpty)
            #expect(before.allSatisfy { $0.count <= 81 })
        }
    }

    @Test("A stalled reader of the output blocks neither connections nor shutdown")
    func stalledOutput() async throws {
        try await withProxy(to: "echo", ["--events"]) { proxy in
            proxy.program.pauseOutput()
            // Each connection logs four lines of about sixty bytes: ten times the capacity of a 64 KiB pipe.
            for _ in 0..<2500 {
                let client = try proxy.connect()
                try client.send("hello")
                try client.receive("hello")
            }
            let client = try proxy.connect()
            try client.send(Pattern(seed: 61), count: 4096)
            try client.receive(Pattern(seed: 61), count: 4096)
            client.close()
            try proxy.program.signal(SIGTERM)
            try await eventually("end of the program") { try !proxy.program.isRunning }
            proxy.program.resumeOutput()
            #expect(try proxy.program.waitForExit() == .code(0))
        }
    }

    @Test("Dropped lines are reported, and the totals remain exact")
    func drops() async throws {
        try await withProxy(to: "echo", ["--events", "--summary", "200ms"]) { proxy in
            proxy.program.pauseOutput()
            // Four lines of about sixty bytes each, which is more than the pipe and the program's buffer hold. They are
            // connection events rather than byte counts only, which a busy program reports in fewer lines.
            let rounds = 12_000
            for _ in 0..<rounds {
                let client = try proxy.connect()
                try client.send("x")
                try client.receive("x")
                client.close()
            }
            proxy.program.resumeOutput()
            _ = try proxy.program.outputLine { $0.contains("dropped") }
            let total = "\(rounds / 1024).\(rounds * 10 / 1024 % 10)KB"
            _ = try proxy.program.outputLine {
                $0 == "[METRICS] active: 0 | total: \(rounds) | up: \(total) | down: \(total)"
            }
        }
    }

    @Test("A reader of the output that exits does not affect connections")
    func closedOutput() async throws {
        try await withProxy(to: "echo", ["--events", "--summary", "50ms"]) { proxy in
            try proxy.program.closeOutput()
            for _ in 0..<100 {
                let client = try proxy.connect()
                try client.send("hello")
                try client.receive("hello")
            }
            #expect(try proxy.program.isRunning)
            try proxy.end()
        }
    }
}

extension RunningProxy {
    /// Returns the metrics lines of one client, in order.
    fileprivate func metricLines(of client: String) -> [String] {
        program.outputLines.filter { $0.hasPrefix("[METRICS] ") && $0.contains("\(client) ") }
    }
}

extension [String] {
    /// Returns the sum of the byte counts on the lines with this arrow.
    fileprivate func bytes(_ arrow: String) -> Int {
        compactMap { line in
            let words = line.split(separator: " ")
            return words.firstIndex(of: Substring(arrow)).flatMap { Int(words[$0 + 1]) }
        }.reduce(0, +)
    }
}
