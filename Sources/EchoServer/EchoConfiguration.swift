import ValueFormats

extension EchoServer {
    /// Configuration of an echo server.
    public struct Configuration: Sendable {
        /// Number of worker threads, 1 to 256.
        public var threads = Settings.threads.defaultValue

        /// Backlog of each worker's listening socket, 1 to 65,535; the kernel caps it at net.core.somaxconn.
        public var backlog = Settings.backlog.defaultValue

        /// What the server sends on a connection.
        public var mode = Mode.echo

        /// Bytes per request in mode `respond`, 1 to 1 GiB.
        public var requestSize = Settings.requestSize.defaultValue

        /// Bytes per response in mode `respond`, 1 to 1 GiB.
        public var responseSize = Settings.responseSize.defaultValue

        /// Maximum send rate of each connection, 1 to 2,000,000,000 bytes per second; nil is unlimited. Enforced by the
        /// kernel (SO_MAX_PACING_RATE, socket(7)), which spaces the bytes evenly. TCP only.
        public var pace: Int?

        /// Delay between receiving a piece of bytes and echoing it; nil echoes immediately. The pieces of a connection
        /// stay in order: a piece never overtakes one with a longer delay. At most 64 KiB or 1,024 pieces are queued
        /// per connection; while the queue is full, the connection is not read. A piece is never early, and at most
        /// 2 ms late.
        public var delay: DelayDistribution?

        /// Seed of random delays: the same seed gives the same delays for the same connections.
        public var seed: UInt64 = 0

        /// Maximum number of bytes per send call, 1 to 1 GiB; nil sends all available bytes.
        public var chunk: Int?

        /// Number of bytes, 1 to 1 PiB, after which the server closes a connection with a FIN: bytes sent, or in mode
        /// `sink` bytes received. What the client sends afterwards is discarded until it closes too, for at most 5 s.
        public var closeAfter: Int?

        /// Periodic stalls of the whole server; nil for none.
        public var stall: Stall?

        /// Creates the configuration of a plain echo with one worker.
        public init() {}
    }

    /// What the server sends on a connection.
    public enum Mode: String, Sendable, CaseIterable {
        /// The bytes received, in the same order, and a FIN after the last byte.
        case echo
        /// Nothing: received bytes are discarded. The client's FIN is answered with a FIN.
        case sink
        /// The `BytePattern` from its start, without end, until the client closes; received bytes are discarded.
        case source
        /// For each ``Configuration/requestSize`` bytes received, whatever they are, the first
        /// ``Configuration/responseSize`` bytes of the `BytePattern`. Requests are answered in order; while a
        /// response is being sent, the connection is not read.
        case respond
    }

    /// A periodic stall: for `length` at the end of each `period`, counted from the start of the run, the server does
    /// not accept, receive or send, so the kernel's queues fill.
    public struct Stall: Sendable, Hashable {
        /// Length of a stall, at least 1 ms.
        public var length: Duration
        /// Time from the start of one stall to the start of the next; longer than `length`, at most an hour.
        public var period: Duration

        /// Creates a stall of `length` in each `period`.
        public init(length: Duration, period: Duration) {
            self.length = length
            self.period = period
        }
    }
}

extension EchoServer.Configuration {
    /// Maximum number of bytes of a request, and of a response.
    public static let maxExchangeSize = 1 << 30
    /// Maximum ``pace``, in bytes per second; a higher value does not fit the socket option.
    public static let maxPace = 2_000_000_000

    /// Throws ``EchoServerError/badSetting(name:value:allowed:)`` for the first setting that is outside its range.
    func validate() throws(EchoServerError) {
        try Settings.threads.check(threads)
        try Settings.backlog.check(backlog)
        try Settings.chunk.check(chunk)
        try Settings.closeAfter.check(closeAfter)
        try Settings.requestSize.check(requestSize)
        try Settings.responseSize.check(responseSize)
        if let pace {
            guard (1...Self.maxPace).contains(pace) else {
                throw .badSetting(name: Settings.pace.option, value: "\(pace)", allowed: "1 to \(Self.maxPace)")
            }
            guard mode != .sink else {
                throw .badSetting(name: "pace", value: "set for a sink", allowed: "unset: a sink sends nothing")
            }
        }
        if let delay {
            guard mode == .echo else {
                throw .badSetting(
                    name: "delay",
                    value: "set for a \(mode)",
                    allowed: "unset: only an echo is delayed"
                )
            }
            try delay.validate()
        }
        if let stall {
            guard stall.length >= .milliseconds(1), stall.length < stall.period, stall.period <= .seconds(3600) else {
                throw .badSetting(
                    name: "stall",
                    value: "\(stall.length) in \(stall.period)",
                    allowed: "at least 1 ms and shorter than its period, which is at most 1 hour"
                )
            }
        }
    }
}
