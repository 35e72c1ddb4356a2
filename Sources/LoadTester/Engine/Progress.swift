extension LoadTest {
    /// Progress of a running load test. Times are in seconds.
    public struct Progress: Sendable, Hashable {
        /// Phase of a run.
        public enum Phase: String, Sendable, Hashable {
            /// Connections are being opened.
            case opening
            /// Load is generated, and not yet measured.
            case warmUp
            /// Load is generated and measured.
            case measuring
            /// The measured time is over; outstanding responses are awaited.
            case draining
        }

        /// Phase of the run.
        public var phase: Phase
        /// Elapsed part of the measured time.
        public var elapsed: Double
        /// Total length of the measured time.
        public var duration: Double
        /// The last complete interval; nil before the first one.
        public var latest: Report.TimelinePoint?
        /// Number of requests answered since the start of the measured time.
        public var answered: Int
        /// Current number of open connections.
        public var connections: Int
        /// Number of errors by cause, over the whole run, as in ``Report/errors``.
        public var errors: [String: Int]
    }
}
