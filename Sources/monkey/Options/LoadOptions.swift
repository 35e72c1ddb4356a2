import ArgumentParser
import LoadTester
import Sockets

/// Options for the workload of a connection.
struct LoadModeOptions: ParsableArguments {
    @Option(
        help: """
            Workload of the connections, see above. (default: script with --script, request with --response-size, \
            else echo)
            """
    )
    var mode: LoadMode?

    @Option(
        .size(0...maxMessageSize),
        """
        Size of a request, such as 64 or 16K; of a chunk in bulk modes. (default: 64; 100 with --response-size; 128K)
        """
    )
    var size: ByteSizeValue?

    @Option(.size(0...maxMessageSize), "Size of a response that is not an echo, such as monkey echo --respond sends.")
    var responseSize: ByteSizeValue?

    @Option(help: ArgumentHelp("File whose content is sent as the request.", valueName: "file"))
    var payload: String?

    @Option(help: ArgumentHelp("File with the lines to send and to expect.", valueName: "file"))
    var script: String?

    @Option(help: "How connections are closed in connect mode.")
    var end: ConnectionEnd = .fin

    @Flag(help: "Verify the data received in a bulk mode or request mode against the pattern of monkey echo --source.")
    var verify = false

    /// - Throws: `ValidationError`; ``CommandError`` if a file cannot be read.
    func plannedMode() throws -> LoadTest.Mode {
        let mode = self.mode ?? (script != nil ? .script : responseSize != nil ? .request : .echo)
        guard script == nil || mode == .script else {
            throw ValidationError("--script requires --mode script, not \(mode)")
        }
        guard responseSize == nil || mode == .request else {
            throw ValidationError("--response-size requires --mode request, not \(mode)")
        }
        guard !verify || mode == .download || mode == .both || mode == .request else {
            throw ValidationError("--verify requires --mode download, both or request, which receive the pattern")
        }
        switch mode {
        case .echo: return .echo(try request())
        case .request: return .request(try request(of: 100), response: try response())
        case .connect: return .connect(try request(), ending: end.ending)
        case .hold: return .hold(try request())
        case .upload: return .bulk(bulk(.upload))
        case .download: return .bulk(bulk(.download))
        case .both: return .bulk(bulk(.both))
        case .script: return .script(try lines())
        }
    }

    private func bulk(_ direction: LoadTest.Bulk.Direction) -> LoadTest.Bulk {
        var bulk = LoadTest.Bulk(direction)
        if let size { bulk.chunk = size.bytes }
        bulk.verifies = verify
        return bulk
    }

    private func response() throws -> LoadTest.ExpectedResponse {
        guard let responseSize else {
            throw ValidationError("--mode request requires the size of a response: add --response-size <bytes>")
        }
        var response = LoadTest.ExpectedResponse(size: responseSize.bytes)
        response.verifies = verify
        return response
    }

    private func request(of count: Int = 64) throws -> LoadTest.Payload {
        guard let payload else { return .generated(count: size?.bytes ?? count) }
        guard size == nil else {
            throw ValidationError("--size and --payload are mutually exclusive: the file determines the size")
        }
        return .bytes(try File.read(payload))
    }

    private func lines() throws -> LoadTest.Script {
        guard let script else { throw ValidationError("--mode script requires a file: add --script <file>") }
        let text = String(decoding: try File.read(script), as: UTF8.self)
        do {
            return try LoadTest.Script(parsing: text)
        } catch {
            throw ValidationError("--script \(script): \(error)")
        }
    }
}

/// Options for the rate and its distribution.
struct LoadRateOptions: ParsableArguments {
    @Option(
        .pace,
        """
        Rate of requests, such as 20000/s, 20k/s or 600/m, whether or not the target keeps up; or max, a closed loop: \
        each connection sends its next request after the response. (default: 1000/s)
        """
    )
    var rate: LoadPace?

    @Option(.ramp, "Rate that changes linearly, such as '0..50000/s over 30s'; reported in steps.")
    var ramp: LoadTest.RateProfile?

    @Option(.condition, "Search for the highest rate that meets a condition such as 'p99<2ms', within --ramp if given.")
    var findRate: LoadTest.Assertion?

    @Option(help: "Spacing of requests: constant, or poisson as for independent users.")
    var arrivals: LoadArrivals = .constant

    @Option(.wholeNumber(1...1_000_000), "Number of connections; in connect mode, the maximum at the same time.")
    var connections = 16

    @Option(.wholeNumber(1...64), "Number of sending threads, 1 to 64.")
    var threads = 1

    @Option(.hostAddresses, "Comma-separated local IP addresses to connect from; each has its own ports.")
    var sourceAddresses: [InternetAddress]?

    @Option(help: ArgumentHelp("Random seed: the same seed gives the same sequence.", valueName: "number"))
    var seed: UInt64 = 1

    /// - Throws: `ValidationError` if options conflict.
    func apply(to configuration: inout LoadTest.Configuration) throws {
        guard rate == nil || ramp == nil else { throw ValidationError("--rate and --ramp are mutually exclusive") }
        guard rate == nil || findRate == nil else {
            throw ValidationError("--rate and --find-rate are mutually exclusive: the search determines the rate")
        }
        guard !configuration.isUnpaced || ramp == nil && findRate == nil && rate.map({ $0.pace == .closedLoop }) ?? true
        else {
            throw ValidationError("a mode without requests has no rate: remove --rate, --ramp and --find-rate")
        }
        if let rate { configuration.pace = rate.pace }
        if let ramp { configuration.pace = .rate(ramp) }
        configuration.arrivals = arrivals.arrivals
        configuration.connections = connections
        configuration.threads = threads
        configuration.sources = sourceAddresses ?? []
        configuration.seed = seed
    }
}

/// Options for durations and timeouts.
struct LoadTimeOptions: ParsableArguments {
    @Option(
        .duration(.milliseconds(1)...(.seconds(86_400))),
        "Measured time. (default: 10s; the length of the ramp; 3s for each of several runs)"
    )
    var duration: DurationValue?

    @Option(.duration(.zero...(.seconds(3600))), "Time with the same load before that, unmeasured.")
    var warmup = DurationValue(.zero)

    @Option(.duration(.zero...(.seconds(3600))), "Maximum time to wait for the last responses.")
    var drain = DurationValue(.seconds(1))

    @Option(.duration(.milliseconds(1)...(.seconds(3600))), "Timeout for a response; its connection is then reset.")
    var timeout = DurationValue(.seconds(10))

    @Option(.duration(.milliseconds(1)...(.seconds(3600))), "Timeout for establishing a connection.")
    var connectTimeout = DurationValue(.seconds(5))

    func apply(to configuration: inout LoadTest.Configuration) {
        configuration.warmUp = warmup.duration
        configuration.drain = drain.duration
        configuration.timeout = timeout.duration
        configuration.connectTimeout = connectTimeout.duration
    }
}

/// Options for the output.
struct LoadResultOptions: ParsableArguments {
    @Option(help: ArgumentHelp("File for the report as JSON; - is standard output.", valueName: "file"))
    var json: String?

    @Option(help: ArgumentHelp("File for the timeline as comma-separated values.", valueName: "file"))
    var csv: String?

    @Option(help: ArgumentHelp("File for the latencies in HdrHistogram's percentile format.", valueName: "file"))
    var hgrm: String?

    @Option(help: ArgumentHelp("File for a page with plots, which needs no network.", valueName: "file"))
    var html: String?

    @Option(
        .condition,
        """
        Condition such as 'p99<5ms', 'errors==0' or 'throughput>10k'; if one is not met, the exit code is 1. Can be \
        repeated.
        """
    )
    var assert: [LoadTest.Assertion] = []

    @Flag(help: "Show no progress, even on a terminal.")
    var quiet = false

    /// Opens each output file, so that a path that cannot be written is reported before the run.
    ///
    /// - Throws: ``CommandError``, which names the file.
    func checkFiles() throws(CommandError) {
        for path in [json, csv, hgrm, html].compactMap({ $0 }) { try File.checkWritable(path) }
    }
}
