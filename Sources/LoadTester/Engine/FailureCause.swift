import Glibc
public import Sockets

extension LoadTest {
    /// The cause of a failed exchange or connection.
    public enum FailureCause: Int, Sendable, Hashable, CaseIterable {
        /// The target does not listen (ECONNREFUSED), or its Unix socket does not exist (ENOENT).
        case refused
        /// The connection was reset, or the peer no longer exists.
        case reset
        /// The connection was not established, or the response not received, within its timeout.
        case timeout
        /// The response differs from the expected one.
        case mismatch
        /// The peer closed its stream before the response was complete.
        case closedEarly
        /// This machine was out of descriptors, memory or local ports.
        case exhausted
        /// The request was sent, but its response had not arrived at the end of the run.
        case unanswered
        /// Any other system error.
        case other

        /// The name in reports and assertions.
        public var name: String {
            switch self {
            case .refused: "refused"
            case .reset: "reset"
            case .timeout: "timeout"
            case .mismatch: "mismatch"
            case .closedEarly: "closed_early"
            case .exhausted: "exhausted"
            case .unanswered: "unanswered"
            case .other: "other"
            }
        }

        package init(_ error: SystemError) {
            self =
                switch error.code {
                // A missing Unix socket is equivalent to a port without a listening socket.
                case ECONNREFUSED, ENOENT: .refused
                case ETIMEDOUT: .timeout
                // EAGAIN: the backlog of a Unix socket is full (connect(2)). EADDRNOTAVAIL: no local port is available.
                case EADDRNOTAVAIL, EAGAIN: .exhausted
                case _ where error.isReset: .reset
                case _ where error.isExhaustion: .exhausted
                default: .other
                }
        }
    }

    /// Failure counters by cause.
    public struct FailureCounts: Sendable {
        private var counts = InlineArray<8, Int>(repeating: 0)
        /// The last error counted as ``FailureCause/other``.
        public package(set) var otherError: SystemError?

        /// Creates counters that are all zero.
        public init() {}

        /// The number of failures with a cause.
        public subscript(cause: FailureCause) -> Int {
            get { counts[cause.rawValue] }
            set { counts[cause.rawValue] = newValue }
        }

        /// The number of failures of all causes.
        public var total: Int {
            FailureCause.allCases.reduce(0) { $0 + self[$1] }
        }

        /// Returns the failures added since an earlier snapshot.
        public static func - (later: FailureCounts, earlier: FailureCounts) -> FailureCounts {
            var difference = later
            for cause in FailureCause.allCases { difference[cause] -= earlier[cause] }
            return difference
        }

        /// Returns the sum of two sets of counters.
        public static func + (left: FailureCounts, right: FailureCounts) -> FailureCounts {
            var sum = left
            for cause in FailureCause.allCases { sum[cause] += right[cause] }
            sum.otherError = right.otherError ?? left.otherError
            return sum
        }
    }
}

extension LoadTest.FailureCounts: Equatable {
    /// Whether all counters and the last other error are equal.
    public static func == (left: LoadTest.FailureCounts, right: LoadTest.FailureCounts) -> Bool {
        LoadTest.FailureCause.allCases.allSatisfy { left[$0] == right[$0] } && left.otherError == right.otherError
    }
}
