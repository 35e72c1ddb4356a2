import ArgumentParser
import LoadTester
import Sockets

/// Options for the workload of a connection.
struct LoadModeOptions: ParsableArguments {
    @Option(
        help: """
            What is done on the connections, see above. (default: script with --script, request with --response-size, \
            else echo)
            """
    )
    var mode: LoadMode?

    @Option(
        .byteSize,
        """
        Bytes of a request, such as 64 or 16K; of a chunk in the bulk modes. (default: 64; 100 with --response-size; 128K)
        """
    )
    var size: ByteSize?

    @Option(.byteSize, "Bytes of a response that is no echo, such as monkey echo --respond sends.")
    var responseSize: ByteSize?

    @Option(help: ArgumentHelp("Send the content of this file as the request.", valueName: "file"))
    var payload: String?

    @Option(help: ArgumentHelp("Send and expect the lines of this file.", valueName: "file"))
    var script: String?

    @Option(help: "How a connection of connect mode is ended.")
    var end: ConnectionEnd = .fin

    @Flag(help: "Compare what a bulk mode, or a request, gets with the pattern that monkey echo --source sends.")
    var verify = false

    /// - Throws: `ValidationError`; ``Failure`` if a file cannot be read.
    func plannedMode() throws -> Mode {
        let mode = self.mode ?? (script != nil ? .script : responseSize != nil ? .request : .echo)
        guard script == nil || mode == .script else {
            throw ValidationError("--script goes with --mode script, not \(mode)")
        }
        guard responseSize == nil || mode == .request else {
            throw ValidationError("--response-size goes with --mode request, not \(mode)")
        }
        guard !verify || mode == .download || mode == .both || mode == .request else {
            throw ValidationError("--verify goes with --mode download, both or request, which receive the pattern")
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

    private func bulk(_ direction: Bulk.Direction) -> Bulk {
        var bulk = Bulk(direction)
        if let size { bulk.chunk = size.bytes }
        bulk.verifies = verify
        return bulk
    }

    private func response() throws -> ExpectedResponse {
        guard let responseSize else {
            throw ValidationError("--mode request needs the size of a response: write --response-size <bytes>")
        }
        var response = ExpectedResponse(size: responseSize.bytes)
        response.verifies = verify
        return response
    }

    private func request(of count: Int = 64) throws -> Payload {
        guard let payload else { return .generated(count: size?.bytes ?? count) }
        guard size == nil else {
            throw ValidationError("--size and --payload exclude each other: the file has its own size")
        }
        return .bytes(try File.read(payload))
    }

    private func lines() throws -> Script {
        guard let script else { throw ValidationError("--mode script needs a file: write --script <file>") }
        let text = String(decoding: try File.read(script), as: UTF8.self)
        do {
            return try Script(parsing: text)
        } catch {
            throw ValidationError("--script \(script), \(error)")
        }
    }
}

/// Options for the rate and its distribution.
struct LoadRateOptions: ParsableArguments {
    @Option(
        .pace,
        """
        Requests that become due, such as 20000/s, 20k/s or 600/m, whether or not the target keeps up; or max, each \
        connection as fast as it is answered. (default: 1000/s)
        """
    )
    var rate: LoadPace?

    @Option(.ramp, "A rate that changes, such as '0..50000/s over 30s'; reported step by step.")
    var ramp: RateProfile?

    @Option(.condition, "Look for the highest rate that keeps a condition, such as 'p99<2ms'; within --ramp if given.")
    var findRate: Assertion?

    @Option(help: "Requests at even distances, or independent of each other as those of many users are.")
    var arrivals: LoadArrivals = .constant

    @Option(.wholeNumber(1...1_000_000), "Connections in all; in connect mode the most at the same time.")
    var connections = 16

    @Option(.wholeNumber(1...64), "Threads that send, 1 to 64.")
    var threads = 1

    @Option(.hostAddresses, "Local IP addresses to connect from, with commas between: each has its own ports.")
    var sourceAddresses: [InternetAddress]?

    @Option(help: ArgumentHelp("Decides what is random: the same seed draws the same.", valueName: "number"))
    var seed: UInt64 = 1

    /// - Throws: `ValidationError` if options conflict.
    func apply(to plan: inout Plan) throws {
        guard rate == nil || ramp == nil else { throw ValidationError("--rate and --ramp exclude each other") }
        guard rate == nil || findRate == nil else {
            throw ValidationError("--rate and --find-rate exclude each other: the rate is what is looked for")
        }
        guard !plan.isUnpaced || ramp == nil && findRate == nil && rate.map({ $0.pace == .flatOut }) ?? true else {
            throw ValidationError("a mode without requests has no rate: leave out --rate, --ramp and --find-rate")
        }
        if let rate { plan.pace = rate.pace }
        if let ramp { plan.pace = .rate(ramp) }
        plan.arrivals = arrivals.arrivals
        plan.connections = connections
        plan.threads = threads
        plan.sources = sourceAddresses ?? []
        plan.seed = seed
    }
}

/// Options for durations and timeouts.
struct LoadTimeOptions: ParsableArguments {
    @Option(
        .duration(.milliseconds(1)...(.seconds(86_400))),
        "How long is measured. (default: 10s; as long as the ramp; 3s for each of several runs)"
    )
    var duration: WrittenDuration?

    @Option(.duration(.zero...(.seconds(3600))), "The same load before that, unmeasured.")
    var warmup = WrittenDuration(.zero)

    @Option(.duration(.zero...(.seconds(3600))), "How long the last responses are waited for.")
    var drain = WrittenDuration(.seconds(1))

    @Option(.duration(.milliseconds(1)...(.seconds(3600))), "For a response; its connection is then reset.")
    var timeout = WrittenDuration(.seconds(10))

    @Option(.duration(.milliseconds(1)...(.seconds(3600))), "For a connection to be established.")
    var connectTimeout = WrittenDuration(.seconds(5))

    func apply(to plan: inout Plan) {
        plan.warmUp = warmup.duration
        plan.drain = drain.duration
        plan.timeout = timeout.duration
        plan.connectTimeout = connectTimeout.duration
    }
}

/// Options for the output.
struct LoadResultOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Write the report as JSON; - is standard output.", valueName: "file"))
    var json: String?

    @Option(help: ArgumentHelp("Write the timeline as comma-separated values.", valueName: "file"))
    var csv: String?

    @Option(help: ArgumentHelp("Write the latencies in HdrHistogram's percentile format.", valueName: "file"))
    var hgrm: String?

    @Option(help: ArgumentHelp("Write a page with plots, which needs no network.", valueName: "file"))
    var html: String?

    @Option(
        .condition,
        """
        A condition such as 'p99<5ms', 'errors==0' or 'throughput>10k'; the exit code is 1 where one is broken. May be \
        given several times.
        """
    )
    var assert: [Assertion] = []

    @Flag(help: "Show no progress, also on a terminal.")
    var quiet = false

    /// Opens each output file, so that a path that cannot be written is reported before the run.
    ///
    /// - Throws: ``Failure``, which names the file.
    func checkFiles() throws(Failure) {
        for path in [json, csv, hgrm, html].compactMap({ $0 }) { try File.checkWritable(path) }
    }
}
