/// What a load test found. All times are in seconds, all sizes in bytes.
///
/// Written as JSON by ``json()``, with the names below in snake case; docs/load-testing.md explains each.
public struct Report: Sendable, Hashable, Codable {
    /// What was asked for.
    public var setup: Setup
    /// How long was measured.
    public var duration: Double
    /// Whether the run was stopped before its time.
    public var wasStopped: Bool

    /// What became of the requests.
    public var exchanges: Exchanges
    /// Exchanges that ended well within the measured time, per second.
    public var throughput: Double
    /// What went over the connections.
    public var traffic: Traffic

    /// From the moment a request was due to its response: what a client would have seen. Holds, besides the responses, the
    /// ages of requests that timed out, had no response or had not been sent at the end.
    public var latency: LatencySummary
    /// The same from the moment it was sent. Where it is much less, requests waited for the target before they were sent.
    public var latencyFromSend: LatencySummary
    /// From the start of a connect to the connection.
    public var connect: LatencySummary
    /// The distribution of ``latency``.
    public var percentiles: [PercentilePoint]
    /// The distribution of ``latencyFromSend``.
    public var percentilesFromSend: [PercentilePoint]

    /// By cause, of the whole run: `refused`, `reset`, `timeout`, `mismatch`, `closed_early`, `exhausted`, `unanswered`,
    /// `other`; and their `total`.
    public var errors: [String: Int]
    /// What the system called the last error among the `other`.
    public var otherError: String?

    /// What became of the connections.
    public var connections: Connections
    /// What the load tester itself cost.
    public var tester: Tester
    /// Whether the figures are the target's; if not, ``doubts`` says why they may be the tester's.
    public var trustworthy: Bool
    /// Why the figures may be the load tester's, one sentence each.
    public var doubts: [String]

    /// Interval by interval.
    public var timeline: [TimelinePoint]
    /// The parts of a ramp.
    public var steps: [Step]
    /// The rate, in requests per second, of the last step that the target bore; nil if there was no ramp, or no step was
    /// borne.
    public var knee: Double?

    /// What was asked for.
    public struct Setup: Sendable, Hashable, Codable {
        /// As it was written.
        public var target: String
        /// `echo`, `request`, `connect`, `upload`, `download`, `both`, `hold` or `script`.
        public var mode: String
        /// `max` for a closed loop; else as it is written on the command line.
        public var rate: String
        /// How requests were spread around the rate.
        public var arrivals: Arrivals
        /// In all threads.
        public var connections: Int
        /// That generated load.
        public var threads: Int
        /// Bytes of a request; of a chunk in the bulk modes.
        public var size: Int
        /// Bytes of a response, where they are not those of the request.
        public var responseSize: Int?
        /// How long was to be measured.
        public var duration: Double
        /// Unmeasured time before.
        public var warmUp: Double
        /// Of what was random.
        public var seed: UInt64
    }

    /// Requests that were due in the measured time, and what became of them. The last five add up to ``due``.
    public struct Exchanges: Sendable, Hashable, Codable {
        /// In the measured time.
        public var due: Int
        /// Well, and in time.
        public var answered: Int
        /// The connection failed under them, or they timed out.
        public var failed: Int
        /// Without a response when the time to wait for it was over.
        public var unanswered: Int
        /// Due, but not sent by the end.
        public var unsent: Int
        /// Never sent, since the queue of those that were due was full.
        public var overflowed: Int
        /// Of all the run, warm-up included: begun. What the target's own count has to agree with.
        public var begunInAll: Int
        /// Of all the run: answered well.
        public var answeredInAll: Int
        /// The most requests that waited at the same time in one thread.
        public var longestQueue: Int
    }

    /// Bytes that went over the connections.
    public struct Traffic: Sendable, Hashable, Codable {
        /// In the measured time: sent, and acknowledged by the target's kernel.
        public var upstream: Int
        /// In the measured time: received.
        public var downstream: Int
        /// Bytes per second.
        public var upstreamPerSecond: Double
        /// Bytes per second.
        public var downstreamPerSecond: Double
        /// Of all the run: sent and acknowledged.
        public var upstreamInAll: Int
        /// Of all the run: received.
        public var downstreamInAll: Int
    }

    /// What became of the connections.
    public struct Connections: Sendable, Hashable, Codable {
        /// Established in all the run.
        public var established: Int
        /// Open at the end of the measured time.
        public var lived: Int
        /// Closed by the target between two exchanges.
        public var closedIdle: Int
    }

    /// What the load tester itself cost, in the measured time.
    public struct Tester: Sendable, Hashable, Codable {
        /// Processor time of its threads.
        public var processorTime: Double
        /// The part of it outside the kernel.
        public var userTime: Double
        /// The part of it in the kernel.
        public var systemTime: Double
        /// The share of its time that the busiest thread was running, 0 to 1.
        public var busiestThread: Double
        /// Per exchange that ended well.
        public var processorTimePerExchange: Double
        /// As counted by the load tester itself.
        public var systemCalls: Int
        /// Per exchange that ended well.
        public var systemCallsPerExchange: Double
        /// From when a request was due and a connection free to its being sent.
        public var sendLag: LatencySummary
    }

    /// An interval of the measured time.
    public struct TimelinePoint: Sendable, Hashable, Codable {
        /// Its end, from the start of the measured time.
        public var time: Double
        /// Its length.
        public var seconds: Double
        /// Exchanges that ended well, per second.
        public var throughput: Double
        /// Median of the latency.
        public var p50: Double
        /// 99th percentile of the latency.
        public var p99: Double
        /// The longest latency.
        public var max: Double
        /// Of all causes.
        public var errors: Int
        /// Bytes per second that were given to the system, whether or not the target's kernel had them by then.
        public var upstreamPerSecond: Double
        /// Bytes per second.
        public var downstreamPerSecond: Double
    }

    /// A part of a ramp: what was due in it.
    public struct Step: Sendable, Hashable, Codable {
        /// Its start, from the start of the measured time.
        public var start: Double
        /// Its end, from the start of the measured time.
        public var end: Double
        /// Requests per second that were due on average.
        public var offered: Double
        /// Requests per second of them that were answered.
        public var answered: Double
        /// How many of them failed.
        public var failed: Int
        /// From when they were due.
        public var latency: LatencySummary
        /// Whether the target bore it.
        public var isBorne: Bool
    }
}
