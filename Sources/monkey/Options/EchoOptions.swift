import ArgumentParser
import EchoServer

/// Options that change the behavior of an echo server, to test its clients.
struct EchoOptions: ReusedOptions {
    static let definition = Self(definition: ())

    init(definition: Void) {}

    private typealias Settings = EchoServer.Configuration.Settings

    @Flag(exclusivity: .exclusive)
    var mode: EchoMode = .echo

    @Option(Settings.responseSize)
    var respond: ByteSizeValue?

    @Option(Settings.requestSize)
    var request: ByteSizeValue?

    @Option(Settings.pace, .byteRate(1...EchoServer.Configuration.maxPace))
    var pace: ByteRate?

    @Option(Settings.delay, .duration(Settings.delay.values.durations))
    var delay: DurationValue?

    @Option(Settings.delayDistribution, .delaySpread)
    var delayDistribution: DelaySpread?

    @Option(Settings.chunk)
    var chunk: ByteSizeValue?

    @Option(Settings.closeAfter)
    var closeAfter: ByteSizeValue?

    @Option(Settings.stall, .stall)
    var stall: StallPattern?

    /// - Throws: `ValidationError` if options conflict.
    func apply(to configuration: inout EchoServer.Configuration) throws {
        configuration.mode = try serverMode()
        if let respond { configuration.responseSize = respond.bytes }
        if let request { configuration.requestSize = request.bytes }
        configuration.pace = pace?.bytesPerSecond
        configuration.delay = try (delayDistribution ?? .constant).distribution(around: delay?.duration)
        configuration.chunk = chunk?.bytes
        configuration.closeAfter = closeAfter?.bytes
        configuration.stall = stall?.stall
    }

    private func serverMode() throws -> EchoServer.Mode {
        guard respond != nil else {
            guard request == nil else {
                throw ValidationError("--request has no effect without --respond: add --respond <bytes>")
            }
            return mode.mode
        }
        guard mode == .echo else {
            throw ValidationError("--respond and --\(mode.mode) are mutually exclusive: remove one of them")
        }
        return .respond
    }
}

/// The service of an echo server, by the flag that selects it.
enum EchoMode: EnumerableFlag {
    case echo, sink, source

    static func help(for value: EchoMode) -> ArgumentHelp? {
        switch value {
        case .echo: "Send received bytes back."
        case .sink: "Receive and discard bytes."
        case .source: "Send an endless pattern that monkey load --verify can verify."
        }
    }

    var mode: EchoServer.Mode {
        switch self {
        case .echo: .echo
        case .sink: .sink
        case .source: .source
        }
    }
}

/// The value of `--delay-distribution`.
enum DelaySpread: Equatable {
    case constant, uniform, exponential
    case list([DurationValue])

    /// - Throws: ``CommandError``, which states the expected format.
    init(parsing text: String) throws {
        switch text {
        case "constant": self = .constant
        case "uniform": self = .uniform
        case "exponential": self = .exponential
        default:
            let reader = ValueReader<DurationValue>.duration(EchoServer.Configuration.Settings.delay.values.durations)
            guard text.contains(where: \.isNumber) else {
                throw CommandError("write constant, uniform, exponential, or comma-separated durations such as 1ms,5ms")
            }
            self = .list(
                try text.split(separator: ",", omittingEmptySubsequences: false).map { try reader.read(String($0)) }
            )
        }
    }

    /// - Throws: `ValidationError` if a delay is missing or conflicts with a list.
    func distribution(around delay: Duration?) throws -> EchoServer.DelayDistribution? {
        switch (self, delay) {
        case (.list, .some): throw ValidationError("--delay conflicts with a list in --delay-distribution: remove one")
        case (.list(let delays), nil): .list(delays.map(\.duration))
        case (.constant, nil): nil
        case (_, nil): throw ValidationError("--delay-distribution requires --delay or a list of durations")
        case (.constant, let delay?): .constant(delay)
        case (.uniform, let delay?): .uniform(from: .zero, to: delay * 2)
        case (.exponential, let delay?): .exponential(mean: delay)
        }
    }
}

extension ValueReader where Value == DelaySpread {
    static var delaySpread: Self { Self(name: "spread") { text in try DelaySpread(parsing: text) } }
}

/// The value of `--stall`: the length of a stall and the period in which it occurs once: `1s/10s`.
struct StallPattern: Equatable {
    let stall: EchoServer.Stall

    /// - Throws: ``CommandError``, which states the expected format.
    init(parsing text: String) throws {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2 else { throw CommandError("write the length, a slash and the period, such as 1s/10s") }
        let reader = ValueReader<DurationValue>.duration(.milliseconds(1)...(.seconds(3600)))
        let length = try reader.read(parts[0]).duration
        let period = try reader.read(parts[1]).duration
        guard length < period else { throw CommandError("the length must be shorter than the period, as in 1s/10s") }
        stall = EchoServer.Stall(length: length, period: period)
    }
}

extension ValueReader where Value == StallPattern {
    static var stall: Self { Self(name: "length/period") { text in try StallPattern(parsing: text) } }
}

/// A rate in bytes per second: `1MB/s`.
struct ByteRate: Equatable {
    let bytesPerSecond: Int

    /// - Throws: ``CommandError`` or `ValueFormatError`, which state the expected format.
    init(parsing text: String, in range: ClosedRange<Int>) throws {
        guard text.hasSuffix("/s") else { throw CommandError("write bytes per second, such as 1MB/s or 64KiB/s") }
        bytesPerSecond = try ByteSizeValue(parsing: String(text.dropLast(2)), in: range).bytes
    }
}

extension ValueReader where Value == ByteRate {
    static func byteRate(_ range: ClosedRange<Int>) -> Self {
        Self(name: "bytes/s") { text in try ByteRate(parsing: text, in: range) }
    }
}
