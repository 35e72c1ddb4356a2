import ArgumentParser
import Glibc
import LoadTester
import Sockets

/// The `monkey load` command: generates load on a target and reports the latencies and errors that a client would see.
struct LoadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load",
        abstract: "Generate load on a TCP service and measure it from the client side.",
        discussion: """
            Latency is measured from the moment a request was due, so a stalled server cannot hide its stall.

            Modes:
              echo      requests whose responses must be the same bytes
              request   requests of --size bytes, responses of --response-size
              connect   a new connection for each echo
              handshake a new connection for each TLS handshake
              upload, download, both
                        streams as fast as possible, for a sink, a source or an echo
              hold      connections that are opened, kept idle, and tested at the end
              script    exchanges from a file, such as "send PING\\r\\n" and "expect +PONG\\r\\n" on two lines

            Examples:
              monkey load 127.0.0.1:8081
              monkey load 127.0.0.1:8081 --rate 20000/s --connections 64 --html report.html
              monkey load 127.0.0.1:8081 --response-size 64K --rate max --verify
              monkey load example.com:443 --mode handshake --resume 50% --rate 100/s
              monkey load 127.0.0.1:6379 --script ping.txt --rate max
              monkey load 127.0.0.1:8081 --ramp '0..50000/s over 30s'
              monkey load 127.0.0.1:8081 --find-rate 'p99<2ms' --connections 64
              monkey load --versus 127.0.0.1:8081 127.0.0.1:8080 --rate max
              monkey load 127.0.0.1:8081 --assert 'p99<5ms' --assert 'errors==0'

            Ctrl-C ends the measurement and reports the results so far. The exit code is 1 if a condition was not \
            met or nothing succeeded, and 2 if the test could not run.
            """
    )

    @Argument(CommandLineSettings.targets, transform: LoadTarget.init)
    var writtenTargets: [LoadTarget]

    /// The addresses of the targets; empty if one is invalid, which ``checkTargets()`` reports.
    var targets: [ServiceAddress] { (try? writtenTargets.map { try $0.address() }) ?? [] }

    @Flag(CommandLineSettings.versus)
    var versus: Bool

    @Option(LoadTest.Comparison.Settings.rounds, .wholeNumber(LoadTest.Comparison.Settings.rounds.values.numbers))
    var rounds: Int?

    @OptionGroup(title: "Workload")
    var mode: LoadModeOptions

    @OptionGroup(title: "Load")
    var rate: LoadRateOptions

    @OptionGroup(title: "TLS with the target")
    var tls: LoadTLSOptions

    @OptionGroup(title: "Timing")
    var time: LoadTimeOptions

    @OptionGroup(title: "Results")
    var result: LoadResultOptions

    func validate() throws {
        try tls.validate(mode: mode.mode)
        if rounds != nil, !versus { throw ValidationError("--rounds requires --versus") }
        if versus, rate.findRate != nil { throw ValidationError("--versus and --find-rate are mutually exclusive") }
        if versus, result.csv != nil || result.hgrm != nil {
            throw ValidationError(
                "--versus produces several reports: write them to --json or --html, not to --csv or --hgrm"
            )
        }
    }

    /// Checks the targets. Not part of `validate()`, which precedes the parser's check for unknown options.
    private func checkTargets() throws {
        guard writtenTargets.count == (versus ? 2 : 1) else {
            throw ValidationError(
                versus
                    ? "--versus requires two targets: write them as two words, such as --versus 127.0.0.1:8081 127.0.0.1:8080"
                    : "\(writtenTargets.count) targets: write one target, or two with --versus"
            )
        }
        for target in writtenTargets { _ = try target.address() }
    }

    /// Returns the plan of a load test of `target`.
    func configuration(for target: ServiceAddress) throws -> LoadTest.Configuration {
        var configuration = LoadTest.Configuration(target: target, mode: try mode.plannedMode())
        try rate.apply(to: &configuration)
        time.apply(to: &configuration)
        configuration.proxyHeader = mode.sendProxy.value
        configuration.tls = try tls.configuration(mode: mode.mode)
        configuration.duration =
            time.duration?.duration
            ?? (versus || rate.findRate != nil
                ? .seconds(3) : rampLength ?? LoadTest.Configuration.Settings.duration.defaultValue)
        for condition in result.assert { try check(condition, "--assert", configuration) }
        if let condition = rate.findRate { try check(condition, "--find-rate", configuration) }
        return configuration
    }

    private func check(_ condition: LoadTest.Assertion, _ option: String, _ configuration: LoadTest.Configuration)
        throws
    {
        do throws(LoadTest.SyntaxError) {
            try condition.checkMeasured(by: configuration)
        } catch {
            throw ValidationError("\(option): \(error)")
        }
    }

    private var rampLength: Duration? {
        guard rate.findRate == nil, let pieces = rate.ramp?.pieces, !pieces.isEmpty else { return nil }
        return pieces.reduce(.zero) { $0 + $1.duration }
    }

    func run() async throws {
        do {
            try checkTargets()
            let plans = try targets.map(configuration)
            try result.checkFiles()
            let command = self
            let runner = await LoadRunner(showsProgress: !result.quiet)
            try await runner.untilDone {
                if command.versus {
                    try await command.compare(plans[0], plans[1], with: runner)
                } else if let condition = command.rate.findRate {
                    try await command.find(condition, plans[0], with: runner)
                } else {
                    try await command.measure(plans[0], with: runner)
                }
            }
        } catch let error where error is ExitCode || error is ValidationError {
            throw error
        } catch LoadTestError.badSetting(let name, let value, let allowed) {
            throw ValidationError("\(LoadTestError.badSetting(name: name, value: value, allowed: allowed))")
        } catch {
            Self.say(["Error: \(error)"], to: STDERR_FILENO)
            throw ExitCode(2)
        }
    }

    private func measure(_ configuration: LoadTest.Configuration, with runner: LoadRunner) async throws {
        let report = try await runner.run(configuration)
        say(SummaryTable(report).lines)
        try write(report)
        try judge([report])
        try requireSuccess([report])
    }

    private func compare(_ first: LoadTest.Configuration, _ second: LoadTest.Configuration, with runner: LoadRunner)
        async throws
    {
        var versus = LoadTest.Comparison(first, second)
        versus.rounds = rounds ?? versus.rounds
        let runs = 2 * versus.rounds
        let comparison = try await versus.compare { try await runner.run($0, isOneOfMany: true, of: runs) }
        say(ComparisonTable(comparison).lines)
        if let json = result.json { try File.write(comparison.json(), to: json) }
        if let html = result.html { try File.write(Array(comparison.html.utf8), to: html) }
        try judge(comparison.first + comparison.second)
        try requireSuccess(comparison.first)
        try requireSuccess(comparison.second)
    }

    private func find(_ condition: LoadTest.Assertion, _ configuration: LoadTest.Configuration, with runner: LoadRunner)
        async throws
    {
        var finder = LoadTest.RateFinder(configuration, keeping: condition)
        if let ramp = rate.ramp, let first = ramp.pieces.first {
            finder.range = min(first.from, ramp.finalRate)...max(first.from, ramp.finalRate)
        }
        let found = try await finder.find { try await runner.run($0, isOneOfMany: true) }
        say(RateTable(found, condition: condition).lines)
        if let best = found.tries.filter(\.isKept).max(by: { $0.rate < $1.rate }) {
            try write(best.report, json: found.json())
            try judge([best.report])
        } else {
            if let json = result.json { try File.write(found.json(), to: json) }
            throw ExitCode(found.tries.isEmpty ? 2 : 1)
        }
    }

    private func say(_ lines: [String]) {
        // If standard output is reserved for JSON, the table goes to standard error.
        Self.say(lines, to: result.json == "-" ? STDERR_FILENO : STDOUT_FILENO)
    }

    private static func say(_ lines: [String], to descriptor: Int32) {
        try? File.write(Array(lines.map { $0 + "\n" }.joined().utf8), to: descriptor)
    }

    private func write(_ report: LoadTest.Report, json: [UInt8]? = nil) throws {
        if let path = result.json { try File.write(json ?? report.json(), to: path) }
        if let path = result.csv { try File.write(Array(report.csv.utf8), to: path) }
        if let path = result.hgrm { try File.write(Array(report.percentileFile.utf8), to: path) }
        if let path = result.html { try File.write(Array(report.html.utf8), to: path) }
    }

    /// Throws exit code 1 if nothing succeeded in any of the reports of a target, and prints the likely cause.
    private func requireSuccess(_ reports: [LoadTest.Report]) throws {
        guard let report = reports.last, reports.allSatisfy(\.nothingSucceeded) else { return }
        let errors = ReportText.errors(of: report)
        let advice = report.hint ?? "check the target and the workload"
        Self.say(["Error: nothing succeeded at \(report.setup.target): \(errors): \(advice)"], to: STDERR_FILENO)
        throw ExitCode(1)
    }

    /// Prints the result of each assertion for each report; throws exit code 1 if one fails.
    private func judge(_ reports: [LoadTest.Report]) throws {
        let verdicts = reports.flatMap { report in result.assert.map { $0.verdict(on: report) } }
        say(verdicts.map { "\($0.isKept ? "passed" : "FAILED")  \($0.assertion) (\($0.found))" })
        if verdicts.contains(where: { !$0.isKept }) { throw ExitCode(1) }
    }
}
