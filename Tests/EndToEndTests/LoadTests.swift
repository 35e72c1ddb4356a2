import Foundation
import Glibc
import Support
import Testing

@Suite("monkey load", .ownThreads, .serialized, .timeLimit(.minutes(2)))
struct LoadTests {
    private func withEcho<Value>(
        _ body: (RunningProgram, TestAddress) async throws -> Value
    ) async throws -> Value {
        try await withProgram([monkeyPath, "echo", "127.0.0.1:0"]) { program in
            let address = try program.output(after: "Echo server listening on ")
            return try await body(program, #require(TestAddress(address)))
        }
    }

    private func load(_ target: TestAddress, _ options: String...) async throws -> FinishedRun {
        try await runMonkey(["load", "\(target)", "--duration", "300ms"] + options)
    }

    @Test("The table goes to standard output, nothing to standard error, and requested files are written")
    func files() async throws {
        try await withEcho { echo, address in
            try await withScratchFolder { folder in
                let options = ["json", "csv", "hgrm", "html"].flatMap { ["--\($0)", "\(folder)/report.\($0)"] }
                let result = try await runMonkey(["load", "\(address)", "--duration", "500ms"] + options)
                #expect(result.exit == .code(0))
                #expect(result.errors == [])
                let text = result.output.joined(separator: "\n")
                for word in ["p99.99", "latency", "from send", "500 due", "no errors", "send lag"] {
                    #expect(text.contains(word), "\(word)")
                }
                let json = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/report.json"))
                let report = try #require(JSONSerialization.jsonObject(with: json) as? [String: Any])
                let latency = try #require(report["latency"] as? [String: Any])
                for key in ["p50", "p90", "p99", "p999", "max"] { #expect(latency[key] as? Double ?? 0 > 0, "\(key)") }
                for file in ["csv", "hgrm", "html"] {
                    #expect(try String(contentsOfFile: "\(folder)/report.\(file)", encoding: .utf8).count > 100)
                }
            }
        }
    }

    @Test("With JSON on standard output, the table goes to standard error")
    func jsonOnOutput() async throws {
        try await withEcho { echo, address in
            let result = try await load(address, "--json", "-")
            let json = Data(result.output.joined(separator: "\n").utf8)
            #expect(try JSONSerialization.jsonObject(with: json) is [String: Any])
            #expect(result.errors.contains { $0.contains("p99.99") })
        }
    }

    @Test("Conditions determine the exit code: 0 met, 1 violated, 2 not run")
    func conditions() async throws {
        try await withEcho { echo, address in
            let kept = try await load(address, "--drain", "1m", "--assert", "p99<1h", "--assert", "errors==0")
            #expect(kept.exit == .code(0))
            #expect(kept.output.contains { $0.hasPrefix("passed  p99<1h") })
            let broken = try await load(address, "--assert", "answered<1", "--assert", "errors==0")
            #expect(broken.exit == .code(1))
            #expect(broken.output.contains { $0.hasPrefix("FAILED  answered<1") })
            #expect(broken.output.contains { $0.hasPrefix("passed  errors==0") })
        }
        let listener = try TestListener()
        let address = listener.address
        listener.close()
        let refused = try await load(address, "--assert", "errors==0")
        refused.expectFailure(code: 2, naming: "refused")
        // Reported before the run, whose results would otherwise be lost.
        try await load(address, "--html", "/nonexistent/x", "--duration", "1h").expectFailure(
            code: 2,
            naming: "/nonexistent/x"
        )
        try await load(address, "--payload", "/nonexistent").expectFailure(code: 2, naming: "/nonexistent")
        try await load(address, "--connections", "1000000").expectFailure(code: 2, naming: "descriptors")
    }

    /// Runs a load against an echo server with the given options, and returns the counters of both.
    private func counts(
        of load: [String],
        on echo: [String],
        script: String? = nil
    ) async throws -> (report: Report, server: [String: Int]) {
        try await withScratchFolder { folder in
            let (socket, json) = ("unix:\(folder)/echo", "\(folder)/report.json")
            try Data((script ?? "").utf8).write(to: URL(fileURLWithPath: "\(folder)/script"))
            return try await withProgram([monkeyPath, "echo", socket, "--log-format", "json"] + echo) { program in
                _ = try program.outputLine { $0.contains("listening") }
                let options = ["--duration", "300ms", "--json", json] + (script == nil ? [] : ["--script", "script"])
                let result = try await runMonkey(
                    ["load", socket] + options.map { $0 == "script" ? "\(folder)/script" : $0 } + load
                )
                #expect(result.exit == .code(0), "\(result.errors)")
                try program.signal(SIGINT)
                #expect(try program.waitForExit() == .code(0))
                let line = Data(try #require(program.outputLines.last).utf8)
                let output = try #require(JSONSerialization.jsonObject(with: line) as? [String: Any])
                let report = try Data(contentsOf: URL(fileURLWithPath: json))
                return (
                    try #require(Report(JSONSerialization.jsonObject(with: report))),
                    try #require(output["metadata"] as? [String: Int])
                )
            }
        }
    }

    /// The members of the JSON report that are compared with the server's counters.
    private struct Report {
        let latency: [String: Double]
        let exchanges: [String: Int]
        let traffic: [String: Double]
        let connections: [String: Int]

        init?(_ json: Any) {
            guard let parts = json as? [String: Any], let latency = parts["latency"] as? [String: Any],
                let exchanges = parts["exchanges"] as? [String: Int],
                let traffic = parts["traffic"] as? [String: Double],
                let connections = parts["connections"] as? [String: Int]
            else { return nil }
            // A statistic is null if nothing was measured.
            self.latency = latency.compactMapValues { $0 as? Double }
            (self.exchanges, self.traffic, self.connections) = (exchanges, traffic, connections)
        }
    }

    @Test(
        "Each mode runs against its mode of monkey echo without errors and with equal counts",
        arguments: [
            (["--rate", "max"], []),
            (["--rate", "2k/s", "--arrivals", "poisson", "--warmup", "100ms"], ["--chunk", "1"]),
            (["--size", "100K", "--rate", "100/s"], ["--chunk", "1000", "--threads", "2"]),
            (["--mode", "connect", "--rate", "max"], []),
            (["--mode", "connect", "--rate", "200/s", "--end", "reset"], []),
            (["--mode", "upload"], ["--sink"]), (["--mode", "download", "--verify"], ["--source"]),
            (["--mode", "both", "--verify", "--threads", "2"], []), (["--mode", "hold", "--connections", "100"], []),
            (["--mode", "connect", "--rate", "100/s"], ["--close-after", "64"]),
            (["--response-size", "200K", "--verify", "--rate", "max"], ["--respond", "200K"]),
        ] as [([String], [String])]
    )
    func agreement(load: [String], echo: [String]) async throws {
        let (report, server) = try await counts(of: load + ["--assert", "errors==0"], on: echo)
        #expect(server["connections"] == report.connections["established"])
        #expect(Double(server["received"] ?? -1) == report.traffic["upstream_total"])
        // A source has sent more than was received when the connection is closed.
        if !echo.contains("--source") {
            #expect(Double(server["bytes"] ?? -1) == report.traffic["downstream_total"])
        } else {
            #expect(report.traffic["downstream_total"] ?? 0 > 0)
        }
    }

    @Test("A script runs, and a connection that closes after N bytes serves one exchange")
    func scriptAndEnds() async throws {
        // At most one request per connection, and a long timeout: even on a slow machine each is sent and answered.
        let load = ["--rate", "100/s", "--connections", "64", "--drain", "1m", "--assert", "errors==0"]
        let script = "send a${seq} ${random:9}\\r\\n\nexpect a${seq} ${random:9}\\r\\n\n"
        let (said, server) = try await counts(of: load, on: [], script: script)
        #expect(said.exchanges["answered"] == 30)
        #expect(said.traffic["upstream_total"] == Double(server["received"] ?? -1))
        let (ended, closing) = try await counts(of: load, on: ["--close-after", "64"])
        #expect(ended.exchanges["answered"] == 30)
        #expect(closing["closed"] == 30)
    }

    @Test(
        "Latency is never below the server's delay",
        arguments: [
            (["--delay", "5ms"], 0.005), (["--delay-distribution", "20ms,5ms"], 0.005),
            (["--stall", "200ms/201ms"], 0),
        ] as [([String], Double)]
    )
    func delays(echo: [String], least: Double) async throws {
        let (report, _) = try await counts(of: ["--rate", "200/s", "--connections", "64", "--drain", "1m"], on: echo)
        #expect(report.exchanges["answered"] == 60)
        #expect(report.latency["min"] ?? 0 >= least)
        // The list of delays restarts on each connection; a stall affects all connections soon.
        if echo[0] != "--delay" { #expect(report.latency["max"] ?? 0 >= 0.02) }
    }

    @Test("Two targets are measured in rounds, with their ratios")
    func versus() async throws {
        try await withEcho { _, first in
            try await withEcho { _, second in
                let result = try await runMonkey([
                    "load", "--versus", "\(first)", "\(second)", "--rounds", "2", "--duration", "100ms", "--rate",
                    "max",
                ])
                #expect(result.exit == .code(0))
                let text = result.output.joined(separator: "\n")
                #expect(text.contains("A  \(first)"))
                #expect(text.contains("B  \(second)"))
                #expect(result.output.contains { $0.hasPrefix("throughput") && $0.contains(" to ") })
            }
        }
    }

    @Test("If nothing succeeds, the exit code is 1 and the cause is named", arguments: [[], ["--rate", "max"]])
    func nothingSucceeds(options: [String]) async throws {
        try await withProgram([monkeyPath, "echo", "127.0.0.1:0", "--source"]) { program in
            let address = try program.output(after: "Echo server listening on ")
            let result = try await runMonkey(["load", address, "--duration", "200ms", "--assert", "due>0"] + options)
            #expect(result.exit == .code(1))
            #expect(result.errors.count == 1)
            #expect(result.errors.first?.contains("the target does not echo: use --script") == true, "\(result.errors)")
            #expect(result.output.contains { $0.hasPrefix("passed  due>0") })
        }
    }

    @Test("A comparison is written as a page")
    func comparisonPage() async throws {
        try await withEcho { _, address in
            try await withScratchFolder { folder in
                let page = "\(folder)/versus.html"
                let targets = ["load", "--versus", "\(address)", "\(address)", "--rounds", "2"]
                let result = try await runMonkey(targets + ["--duration", "100ms", "--html", page])
                #expect(result.exit == .code(0))
                let html = try String(contentsOfFile: page, encoding: .utf8)
                #expect(html.contains("monkey load --versus \(address)"))
                #expect(html.contains("<svg"))
            }
        }
    }

    @Test("A proxy accepts the PROXY protocol header of the load tester", arguments: ["v1", "v2"])
    func proxyHeader(version: String) async throws {
        try await withEcho { _, address in
            let proxy = [
                monkeyPath, "proxy", "127.0.0.1:0", "\(address)", "--admin", "off", "--accept-proxy", "required",
            ]
            try await withProgram(proxy + ["--trusted-proxies", "127.0.0.0/8"]) { program in
                let listen = try program.output(after: "Proxy listening on ")
                let options = [
                    "--duration", "200ms", "--drain", "1m", "--assert", "errors==0", "--send-proxy", version,
                ]
                let result = try await runMonkey(["load", listen] + options)
                #expect(result.exit == .code(0), "\(result.output) \(result.errors)")
                let without = try await runMonkey(["load", listen, "--duration", "200ms"])
                #expect(without.exit == .code(1))
                #expect(without.errors.first?.contains("nothing succeeded") == true, "\(without.errors)")
            }
        }
    }

    @Test("Ctrl-C ends the measurement with a report", arguments: [SIGINT, SIGTERM])
    func stop(signal: Int32) async throws {
        try await withEcho { echo, address in
            try await withProgram([monkeyPath, "load", "\(address)", "--duration", "1h"]) { load in
                try await eventually("load") {
                    try ProcessView(load.processID).threads.contains { $0.name == "load-0" }
                }
                try load.signal(signal)
                #expect(try load.waitForExit() == .code(0))
                #expect(load.outputLines.contains { $0.hasSuffix("stopped early") })
            }
        }
    }

    @Test("A killed target causes no crash or hang, and its failures are counted")
    func killed() async throws {
        try await withEcho { echo, address in
            try await withProgram([monkeyPath, "load", "\(address)", "--duration", "1500ms", "--drain", "100ms"]) {
                load in
                try await eventually("load") {
                    try ProcessView(load.processID).threads.contains { $0.name == "load-0" }
                }
                try echo.signal(SIGKILL)
                _ = try load.waitForExit()
                let output = (load.outputLines + load.errorLines).joined(separator: "\n")
                #expect(output.contains("refused") || output.contains("reset") || output.contains("closed"))
            }
        }
    }

    @Test("A closed standard output causes no crash")
    func closedOutput() async throws {
        try await withEcho { echo, address in
            try await withProgram([monkeyPath, "load", "\(address)", "--duration", "300ms"]) { load in
                try load.closeOutput()
                let exit = try load.waitForExit()
                #expect(exit == .code(0) || exit == .code(2))
            }
        }
    }

    @Test(
        "An invalid argument is named, with the usage exit code",
        arguments: [
            (["nonsense"], "nonsense"), (["127.0.0.1:1", "127.0.0.1:2"], "--versus"),
            (["--versus", "127.0.0.1:1"], "two"),
            (["127.0.0.1:1", "--rate", "fast"], "--rate"), (["127.0.0.1:1", "--ramp", "0..5/s"], "--ramp"),
            (["127.0.0.1:1", "--assert", "p99"], "--assert"), (["127.0.0.1:1", "--mode", "x"], "--mode"),
            (["127.0.0.1:1", "--mode", "script"], "--script"), (["127.0.0.1:1", "--verify"], "--verify"),
            (["127.0.0.1:1", "--mode", "upload", "--rate", "5/s"], "--rate"),
            (["127.0.0.1:1", "--size", "x"], "--size"),
            (["127.0.0.1:1", "--size", "0"], "size"), (["127.0.0.1:1", "--duration", "0s"], "--duration"),
            (["127.0.0.1:1", "--rate", "5/s", "--ramp", "0..5/s over 1s"], "--ramp"),
            (["127.0.0.1:1", "--source-addresses", "localhost"], "--source-addresses"),
            // An unknown option is named, not its value.
            (["127.0.0.1:1", "--rps", "100"], "--rps"), (["127.0.0.1:1", "-c", "10"], "-c"),
            (["8081"], "8081"), (["127.0.0.1:0"], "port 0"), (["127.0.0.1"], "port"),
            (["--versus", "127.0.0.1:1,127.0.0.1:2"], "two words"),
            // An option that would have no effect.
            (["127.0.0.1:1", "--rounds", "3"], "--versus"), (["127.0.0.1:1", "--end", "reset"], "--mode connect"),
            (["127.0.0.1:1", "--mode", "upload", "--payload", "/dev/null"], "--payload"),
            (["127.0.0.1:1", "--mode", "download", "--size", "1K"], "--size"),
            (["127.0.0.1:1", "--arrivals", "poisson", "--rate", "max"], "--arrivals"),
            (["127.0.0.1:1", "--ramp", "0-1000/s"], "over 30s"), (["127.0.0.1:1", "--ramp", "5/s"], "over 30s"),
            (["127.0.0.1:1", "--mode", "upload", "--size", "64M"], "chunk '67108864'"),
            (["127.0.0.1:1", "--mode", "upload", "--assert", "p99<5ms"], "no requests"),
            (["127.0.0.1:1", "--rate", "1000rps"], "20000/s"), (["127.0.0.1:1", "--duration", "10"], "unit"),
            (["--versus", "127.0.0.1:1", "127.0.0.1:2", "--csv", "/dev/null"], "--csv"),
            (["127.0.0.1:1", "--send-proxy", "v3"], "--send-proxy"),
        ]
    )
    func wrongUsage(arguments: [String], named: String) async throws {
        try await runMonkey(["load"] + arguments).expectFailure(code: 64, naming: named)
    }
}
