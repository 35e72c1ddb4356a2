import Glibc
public import Sockets
import TLS

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
        /// The TLS handshake or connection failed, such as because of a certificate or of an alert.
        case tls
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
            case .tls: "tls"
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
        private var counts = InlineArray<9, Int>(repeating: 0)
        /// The codes of TLS failures and their numbers. Of more kinds than there is room for, only the total is counted.
        private var tlsCodes = InlineArray<8, Int64>(repeating: 0)
        private var tlsCounts = InlineArray<8, Int>(repeating: 0)
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

        /// The numbers of the failures counted as ``FailureCause/tls``, by their cause in words, the most frequent first.
        public var tlsCauses: [TLSCause] {
            tlsCounts.indices.filter { tlsCounts[$0] > 0 }
                .map { TLSCause(cause: TLSFailure(code: tlsCodes[$0]).description, count: tlsCounts[$0]) }
                .sorted { ($1.count, $0.cause) < ($0.count, $1.cause) }
        }

        /// The number of TLS failures with a cause.
        public struct TLSCause: Sendable, Hashable, Codable {
            /// The cause in words.
            public var cause: String
            /// Number of failures.
            public var count: Int
        }

        /// Counts a TLS failure.
        mutating func add(_ failure: TLSFailure) {
            self[.tls] += 1
            add(1, of: failure.code)
        }

        private mutating func add(_ count: Int, of code: Int64) {
            let known = tlsCounts.indices.first { tlsCounts[$0] != 0 && tlsCodes[$0] == code }
            guard count != 0, let index = known ?? tlsCounts.indices.first(where: { tlsCounts[$0] == 0 }) else {
                return
            }
            tlsCodes[index] = code
            tlsCounts[index] += count
        }

        /// Returns the failures added since an earlier snapshot.
        public static func - (later: FailureCounts, earlier: FailureCounts) -> FailureCounts {
            var difference = later
            for cause in FailureCause.allCases { difference[cause] -= earlier[cause] }
            for index in earlier.tlsCounts.indices {
                difference.add(-earlier.tlsCounts[index], of: earlier.tlsCodes[index])
            }
            return difference
        }

        /// Returns the sum of two sets of counters.
        public static func + (left: FailureCounts, right: FailureCounts) -> FailureCounts {
            var sum = left
            for cause in FailureCause.allCases { sum[cause] += right[cause] }
            for index in right.tlsCounts.indices { sum.add(right.tlsCounts[index], of: right.tlsCodes[index]) }
            sum.otherError = right.otherError ?? left.otherError
            return sum
        }
    }
}

extension LoadTest.FailureCounts: Equatable {
    /// Whether all counters and the last other error are equal.
    public static func == (left: LoadTest.FailureCounts, right: LoadTest.FailureCounts) -> Bool {
        LoadTest.FailureCause.allCases.allSatisfy { left[$0] == right[$0] } && left.otherError == right.otherError
            && left.tlsCauses == right.tlsCauses
    }
}
