import Randomness
import Sockets

/// A configuration, resolved into the form that a worker uses.
struct Behavior: Sendable {
    enum Service: Sendable {
        case echo
        case delayedEcho
        case sink
        case source
        case respond
    }

    let service: Service
    /// Bytes per request, in mode `respond`.
    let requestSize: Int
    let responseSize: Int
    /// Delays of a delayed echo.
    let delays: EchoServer.DelayDistribution
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

    /// Whether a loop iteration must read the clock.
    var needsClock: Bool {
        service == .delayedEcho || stall != nil
    }

    /// Maximum number of bytes queued per connection in a delayed echo.
    static let delayedLimit = 64 << 10

    /// Maximum number of bytes per receive or send: large, so that messages of 1 MiB need few system calls, but small
    /// enough for a core's private cache.
    static let transferSize = 256 << 10

    static func bufferSize(for mode: EchoServer.Mode) -> Int {
        sendsPattern(mode) ? BytePattern.period + 2 * transferSize : transferSize
    }

    /// Whether the buffer starts with the pattern.
    static func sendsPattern(_ mode: EchoServer.Mode) -> Bool {
        mode == .source || mode == .respond
    }
}

/// The times at which a server stalls: the last `length` of each period.
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

    /// Returns the next time at which the server stalls or resumes.
    func change(after now: Instant, from start: Instant) -> Instant {
        let passed = now.since(start).wholeNanoseconds
        let inPeriod = passed % period
        let toChange = inPeriod < period - length ? period - length - inPeriod : period - inPeriod
        return Instant(nanoseconds: start.nanoseconds + passed + toChange)
    }
}
