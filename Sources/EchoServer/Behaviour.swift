import Sockets

/// A configuration in the form in which a worker looks at it.
struct Behaviour: Sendable {
    enum Service: Sendable {
        case echo
        case delayedEcho
        case sink
        case source
        case respond
    }

    let service: Service
    /// Of a server that responds.
    let requestSize: Int
    let responseSize: Int
    /// Of a delayed echo.
    let delays: DelayDistribution
    let chunk: Int
    let closeAfter: Int
    let seed: UInt64
    let backlog: Int
    let stall: StallSchedule?

    init(_ configuration: EchoServer.Configuration) {
        service =
            switch configuration.mode {
            case .echo: configuration.delay == nil ? .echo : .delayedEcho
            case .sink: .sink
            case .source: .source
            case .respond: .respond
            }
        requestSize = configuration.requestSize
        responseSize = configuration.responseSize
        delays = configuration.delay ?? .constant(.zero)
        chunk = configuration.chunk ?? .max
        closeAfter = configuration.closeAfter ?? .max
        seed = configuration.seed
        backlog = configuration.backlog
        stall = configuration.stall.map(StallSchedule.init)
    }

    /// Whether a round must know what time it is.
    var needsClock: Bool {
        service == .delayedEcho || stall != nil
    }

    /// The most that waits for each client of a delayed echo.
    static let delayedLimit = 64 << 10

    /// The most that one receive or send moves: large, so that messages of a MiB cost few calls, and still within a
    /// processor's own cache.
    static let transferSize = 256 << 10

    static func bufferSize(for mode: EchoServer.Mode) -> Int {
        sendsPattern(mode) ? BytePattern.period + 2 * transferSize : transferSize
    }

    /// Whether the buffer begins with the pattern.
    static func sendsPattern(_ mode: EchoServer.Mode) -> Bool {
        mode == .source || mode == .respond
    }
}

/// When a server stands still: the last `length` of each period.
struct StallSchedule: Sendable {
    private let length: UInt64
    private let period: UInt64

    init(_ stall: EchoServer.Stall) {
        length = stall.length.wholeNanoseconds
        period = stall.period.wholeNanoseconds
    }

    func isStalled(_ now: Instant, from start: Instant) -> Bool {
        now.since(start).wholeNanoseconds % period >= period - length
    }

    /// The next moment at which it stops or goes on.
    func change(after now: Instant, from start: Instant) -> Instant {
        let passed = now.since(start).wholeNanoseconds
        let inPeriod = passed % period
        let toChange = inPeriod < period - length ? period - length - inPeriod : period - inPeriod
        return Instant(nanoseconds: start.nanoseconds + passed + toChange)
    }
}
