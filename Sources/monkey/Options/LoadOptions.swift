import ArgumentParser
import LoadTester
import Sockets

/// Options for the workload of a connection.
struct LoadModeOptions: ReusedOptions {
    static let definition = Self(definition: ())

    init(definition: Void) {}

    private typealias Settings = LoadTest.Configuration.Settings

    @Option(CommandLineSettings.mode, .word(named: "mode"))
    var mode: LoadMode?

    @Option(Settings.requestSize)
    var size: ByteSizeValue?

    @Option(Settings.responseSize)
    var responseSize: ByteSizeValue?

    @Option(CommandLineSettings.payload, named: "file")
    var payload: String?

    @Option(CommandLineSettings.script, named: "file")
    var script: String?

    @Option(CommandLineSettings.end, named: "end")
    var end: LoadTest.ConnectionEnding?

    @Option(CommandLineSettings.sendProxy, .word(named: "version"))
    var sendProxy: Switchable<LoadTest.ProxyHeader>

    @Flag(CommandLineSettings.verify)
    var verify: Bool

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
        try rejectUnused(in: mode)
        switch mode {
        case .echo: return .echo(try request())
        case .request: return .request(try request(of: 100), response: try response())
        case .connect: return .connect(try request(), ending: end ?? CommandLineSettings.end.defaultValue)
        case .handshake: return .handshake(ending: end ?? CommandLineSettings.end.defaultValue)
        case .hold: return .hold(try request())
        case .upload: return .bulk(bulk(.upload))
        case .download: return .bulk(bulk(.download))
        case .both: return .bulk(bulk(.both))
        case .script: return .script(try lines())
        }
    }

    /// Throws for an option that the mode would ignore.
    private func rejectUnused(in mode: LoadMode) throws {
        guard end == nil || mode == .connect || mode == .handshake else {
            throw ValidationError("--end requires --mode connect or handshake, not \(mode)")
        }
        guard payload == nil || !mode.isBulk && mode != .script && mode != .handshake else {
            throw ValidationError("--payload has no effect with --mode \(mode): remove it")
        }
        guard size == nil || mode != .download && mode != .script && mode != .handshake else {
            throw ValidationError("--size has no effect with --mode \(mode): remove it")
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
struct LoadRateOptions: ReusedOptions {
    static let definition = Self(definition: ())

    init(definition: Void) {}

    private typealias Settings = LoadTest.Configuration.Settings

    @Option(Settings.pace, .pace)
    var rate: LoadPace?

    @Option(Settings.ramp, .ramp)
    var ramp: LoadTest.RateProfile?

    @Option(CommandLineSettings.findRate, .condition)
    var findRate: LoadTest.Assertion?

    @Option(Settings.arrivals, named: "arrivals")
    var arrivals: LoadTest.Arrivals?

    @Option(Settings.connections)
    var connections: Int

    @Option(Settings.threads)
    var threads: Int

    @Option(Settings.sources, .hostAddresses)
    var sourceAddresses: [InternetAddress]?

    @Option(Settings.seed, .number)
    var seed: UInt64 = Settings.seed.defaultValue

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
        guard arrivals == nil || !configuration.isUnpaced && configuration.pace != .closedLoop else {
            throw ValidationError("--arrivals requires a rate: remove it, or give a --rate such as 20000/s")
        }
        configuration.arrivals = arrivals ?? Settings.arrivals.defaultValue
        configuration.connections = connections
        configuration.threads = threads
        configuration.sources = sourceAddresses ?? []
        configuration.seed = seed
    }
}

/// Options for durations and timeouts.
struct LoadTimeOptions: ReusedOptions {
    static let definition = Self(definition: ())

    init(definition: Void) {}

    private typealias Settings = LoadTest.Configuration.Settings

    @Option(Settings.duration)
    var duration: DurationValue?

    @Option(Settings.warmUp)
    var warmup: DurationValue

    @Option(Settings.drain)
    var drain: DurationValue

    @Option(Settings.timeout)
    var timeout: DurationValue

    @Option(Settings.connectTimeout)
    var connectTimeout: DurationValue

    func apply(to configuration: inout LoadTest.Configuration) {
        configuration.warmUp = warmup.duration
        configuration.drain = drain.duration
        configuration.timeout = timeout.duration
        configuration.connectTimeout = connectTimeout.duration
    }
}

/// Options for the output.
struct LoadResultOptions: ReusedOptions {
    static let definition = Self(definition: ())

    init(definition: Void) {}

    @Option(CommandLineSettings.json, named: "file")
    var json: String?

    @Option(CommandLineSettings.csv, named: "file")
    var csv: String?

    @Option(CommandLineSettings.hgrm, named: "file")
    var hgrm: String?

    @Option(CommandLineSettings.html, named: "file")
    var html: String?

    @Option(CommandLineSettings.assert, .condition)
    var assert: [LoadTest.Assertion]

    @Flag(CommandLineSettings.quiet)
    var quiet: Bool

    /// Opens each output file, so that a path that cannot be written is reported before the run.
    ///
    /// - Throws: ``CommandError``, which names the file.
    func checkFiles() throws(CommandError) {
        for path in [json, csv, hgrm, html].compactMap({ $0 }) { try File.checkWritable(path) }
    }
}
