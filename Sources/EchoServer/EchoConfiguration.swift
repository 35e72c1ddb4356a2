extension EchoServer {
    /// All that can be chosen about an echo server.
    public struct Configuration: Sendable {
        /// Worker threads, 1 to 64.
        public var threads = 1

        /// Length of each worker's listening queue, 1 to 65,535; the system cuts it to net.core.somaxconn.
        public var backlog = 4096

        /// What a connection gets.
        public var mode = Mode.echo

        /// Of a server that responds: the bytes of a request, 1 to 1 GiB.
        public var requestSize = 100

        /// Of a server that responds: the bytes of a response, 1 to 1 GiB.
        public var responseSize = 4096

        /// Bytes a second that each connection gets at most, 1 to 2,000,000,000; nil is as fast as it goes. The kernel
        /// keeps it (SO_MAX_PACING_RATE, socket(7)), for TCP only, and spreads the bytes evenly.
        public var pace: Int?

        /// How long each piece of bytes, as it was received, waits before it is echoed; nil sends it at once. Pieces of
        /// one connection keep their order, so none overtakes one that waits longer. At most 64 KiB or 1,024 pieces wait
        /// for each connection, and no more is received meanwhile. Kept to within two milliseconds, never less.
        public var delay: DelayDistribution?

        /// Decides what a random delay draws: the same seed draws the same for the same connections.
        public var seed: UInt64 = 0

        /// The most bytes given to the system in one go, 1 at least; nil is as many as there are.
        public var chunk: Int?

        /// Ends a connection with a FIN after so many bytes, 1 at least: sent, or in a sink received. What the client
        /// still sends is thrown away until it ends too, for 5 s at most.
        public var closeAfter: Int?

        /// Stops the whole server now and then; nil never does.
        public var stall: Stall?

        /// A plain echo with one worker.
        public init() {}
    }

    /// What a connection gets.
    public enum Mode: String, Sendable, CaseIterable {
        /// What it sends, in the same order, and a FIN after the last byte.
        case echo
        /// Nothing: all it sends is received and thrown away. Its FIN is answered with one.
        case sink
        /// The ``BytePattern`` from its start and without end, for as long as the client stays; what the client sends is
        /// received and thrown away.
        case source
        /// For each ``Configuration/requestSize`` bytes that it sends, whatever they are, the first
        /// ``Configuration/responseSize`` bytes of the ``BytePattern``. Requests are answered in turn; while a response is
        /// under way, nothing is received.
        case respond
    }

    /// A server that stands still at regular times: for `length` at the end of every `period`, counted from the moment
    /// it starts to run, it accepts, receives and sends nothing. Meanwhile the kernel's queues fill.
    public struct Stall: Sendable, Hashable {
        /// How long it stands still, 1 ms at least.
        public var length: Duration
        /// From one beginning to stand still to the next; longer than `length`, at most an hour.
        public var period: Duration

        /// Stands still for `length` in each `period`.
        public init(length: Duration, period: Duration) {
            self.length = length
            self.period = period
        }
    }
}

extension EchoServer.Configuration {
    /// The most bytes of a request, and of a response.
    public static let largestExchange = 1 << 30
    /// The highest ``pace``, in bytes a second: more does not fit the system's option.
    public static let fastestPace = 2_000_000_000

    /// Throws the first setting that is outside its range.
    func validate() throws(EchoServerError) {
        try check("threads", threads, 1...64)
        try check("backlog", backlog, 1...65_535)
        if let chunk { try check("chunk", chunk, 1...Int.max) }
        if let closeAfter { try check("close-after", closeAfter, 1...Int.max) }
        try check("the size of a request", requestSize, 1...Self.largestExchange)
        try check("the size of a response", responseSize, 1...Self.largestExchange)
        if let pace {
            try check("pace", pace, 1...Self.fastestPace)
            guard mode != .sink else {
                throw .badSetting(name: "pace", value: "set for a sink", allowed: "left off: a sink sends nothing")
            }
        }
        if let delay {
            guard mode == .echo else {
                throw .badSetting(
                    name: "delay",
                    value: "set for a \(mode)",
                    allowed: "left off: only an echo is delayed"
                )
            }
            try delay.validate()
        }
        if let stall {
            guard stall.length >= .milliseconds(1), stall.length < stall.period, stall.period <= .seconds(3600) else {
                throw .badSetting(
                    name: "stall",
                    value: "\(stall.length) in \(stall.period)",
                    allowed: "1 ms at least and shorter than its period, which is an hour at most"
                )
            }
        }
    }

    private func check(_ name: String, _ value: Int, _ range: ClosedRange<Int>) throws(EchoServerError) {
        guard range.contains(value) else {
            let allowed =
                range.upperBound == .max
                ? "\(range.lowerBound) at least" : "from \(range.lowerBound) to \(range.upperBound)"
            throw .badSetting(name: name, value: "\(value)", allowed: allowed)
        }
    }
}
