extension LoadTest {
    /// The results of a load test. All times are in seconds, all sizes in bytes.
    ///
    /// Encoded as JSON by ``json()``, with the property names in snake case; docs/load-testing.md explains each.
    public struct Report: Sendable, Hashable, Codable {
        /// The configuration of the test.
        public var setup: Setup
        /// When, where and how the test was run.
        public var environment = Environment()
        /// Length of the measured time.
        public var duration: Double
        /// Whether the run was stopped early.
        public var wasStopped: Bool

        /// Requests and their outcomes.
        public var exchanges: Exchanges
        /// Exchanges completed successfully within the measured time, per second; nil if the mode has no exchanges in
        /// that time, or if the run was stopped before it.
        @Nullable public var throughput: Double?
        /// Bytes transferred.
        public var traffic: Traffic

        /// Time from when a request was due to its response: the latency a client would have observed. Also contains
        /// the ages of requests that timed out, or that were unanswered or unsent at the end.
        public var latency: LatencySummary
        /// Time from when a request was sent to its response. If it is much shorter than ``latency``, requests waited
        /// for the target before they were sent.
        public var latencyFromSend: LatencySummary
        /// Time to establish a connection, without its TLS handshake.
        public var connect: LatencySummary
        /// Time of a TLS handshake, from the established connection to its end at the client.
        public var handshake = LatencySummary()
        /// The distribution of ``latency``.
        public var percentiles: [PercentilePoint]
        /// The distribution of ``latencyFromSend``.
        public var percentilesFromSend: [PercentilePoint]

        /// Number of errors by cause, over the whole run: `refused`, `reset`, `timeout`, `mismatch`, `closed_early`,
        /// `exhausted`, `unanswered`, `tls`, `other`; and their `total`.
        public var errors: [String: Int]
        /// Description of the last error counted as `other`.
        public var otherError: String?

        /// TLS handshakes; nil without TLS.
        public var tls: TLS?
        /// Connection counters.
        public var connections: Connections
        /// Resources used by the load tester itself.
        public var tester: Tester
        /// Whether the results reflect the target; if not, ``warnings`` lists why they may reflect the load tester.
        public var trustworthy: Bool
        /// Reasons why the results may reflect the load tester, one sentence each.
        public var warnings: [String]
        /// Why nothing may have succeeded, and what to try instead; nil if something has, or if the cause is unknown.
        public var hint: String?

        /// The intervals of the measured time.
        public var timeline: [TimelinePoint]
        /// The steps of a ramp.
        public var steps: [Step]
        /// The rate, in requests per second, of the last step that the target sustained; nil if there was no ramp or no
        /// step was sustained.
        @Nullable public var saturationPoint: Double?

        /// The configuration of the test.
        public struct Setup: Sendable, Hashable, Codable {
            /// The target as configured.
            public var target: String
            /// `echo`, `request`, `connect`, `handshake`, `upload`, `download`, `both`, `hold` or `script`.
            public var mode: String
            /// `max` for a closed loop; else the rate in command-line syntax.
            public var rate: String
            /// Distribution of the requests in time.
            public var arrivals: Arrivals
            /// Number of connections, over all threads.
            public var connections: Int
            /// Number of threads that generated load.
            public var threads: Int
            /// Bytes per request; in the bulk modes, bytes per chunk.
            public var size: Int
            /// Bytes per response, if they differ from the request; else nil.
            public var responseSize: Int?
            /// Version of the PROXY protocol header that began each connection; nil for none.
            public var proxyHeader: LoadTest.ProxyHeader?
            /// TLS settings; nil without TLS.
            public var tls: TLS?
            /// Configured length of the measured time.
            public var duration: Double
            /// Length of the unmeasured time before it.
            public var warmUp: Double
            /// Seed of all random values.
            public var seed: UInt64
        }

        /// Requests due in the measured time, and their outcomes: ``answered``, ``failed``, ``unanswered``, ``unsent``
        /// and
        /// ``overflowed`` add up to ``due``.
        public struct Exchanges: Sendable, Hashable, Codable {
            /// Requests due in the measured time.
            public var due: Int
            /// Answered correctly within the timeout.
            public var answered: Int
            /// Failed with their connection, or timed out.
            public var failed: Int
            /// Without a response at the end of the drain time.
            public var unanswered: Int
            /// Due, but not sent by the end of the measured time.
            public var unsent: Int
            /// Never sent, since the queue of due requests was full.
            public var overflowed: Int
            /// Exchanges begun in the whole run, warm-up included; the target's own counter must agree with it.
            public var startedTotal: Int
            /// Exchanges completed successfully in the whole run.
            public var answeredTotal: Int
            /// Maximum number of requests queued at the same time in one thread.
            public var maxQueueLength: Int
        }

        /// Bytes transferred.
        public struct Traffic: Sendable, Hashable, Codable {
            /// Bytes sent in the measured time and acknowledged by the target's kernel.
            public var upstream: Int
            /// Bytes received in the measured time.
            public var downstream: Int
            /// ``upstream`` per second.
            public var upstreamPerSecond: Double
            /// ``downstream`` per second.
            public var downstreamPerSecond: Double
            /// Bytes sent and acknowledged in the whole run.
            public var upstreamTotal: Int
            /// Bytes received in the whole run.
            public var downstreamTotal: Int
        }

        /// Connection counters.
        public struct Connections: Sendable, Hashable, Codable {
            /// Connections established in the whole run.
            public var established: Int
            /// Connections open at the end of the measured time.
            public var lived: Int
            /// Connections closed by the target between two exchanges.
            public var closedIdle: Int
        }

        /// Resources used by the load tester itself in the measured time.
        public struct Tester: Sendable, Hashable, Codable {
            /// Processor time of its threads.
            public var processorTime: Double
            /// User part of the processor time.
            public var userTime: Double
            /// System part of the processor time.
            public var systemTime: Double
            /// Share of the measured time that the busiest thread spent running, 0 to 1.
            public var busiestThread: Double
            /// Processor time per successful exchange; nil if there was none.
            @Nullable public var processorTimePerExchange: Double?
            /// Number of system calls, counted by the load tester itself.
            public var systemCalls: Int
            /// System calls per successful exchange; nil if there was none.
            @Nullable public var systemCallsPerExchange: Double?
            /// Time from when a request was due and a connection was idle to when it was sent.
            public var sendLag: LatencySummary
        }

        /// An interval of the measured time.
        public struct TimelinePoint: Sendable, Hashable, Codable {
            /// End of the interval, from the start of the measured time.
            public var time: Double
            /// Length of the interval.
            public var seconds: Double
            /// Exchanges completed successfully, per second.
            public var throughput: Double
            /// Median latency; nil if there was no response in the interval.
            @Nullable public var p50: Double?
            /// 99th percentile of the latency; nil if there was no response.
            @Nullable public var p99: Double?
            /// Maximum latency; nil if there was no response.
            @Nullable public var max: Double?
            /// Number of errors of all causes.
            public var errors: Int
            /// Bytes per second sent and acknowledged by the target's kernel; those of a request count when its response
            /// is complete.
            public var upstreamPerSecond: Double
            /// Bytes received per second.
            public var downstreamPerSecond: Double
            /// TLS handshakes per second.
            public var handshakesPerSecond = 0.0
        }

        /// A step of a ramp: the requests due in it, and their outcomes.
        public struct Step: Sendable, Hashable, Codable {
            /// Start of the step, from the start of the measured time.
            public var start: Double
            /// End of the step, from the start of the measured time.
            public var end: Double
            /// Average rate of due requests, per second.
            public var offered: Double
            /// Average rate of those that were answered, per second.
            public var answered: Double
            /// Number of those that failed.
            public var failed: Int
            /// Latency, measured from when the requests were due.
            public var latency: LatencySummary
            /// Whether the target sustained the step.
            public var isSustained: Bool
        }
    }
}
