import Glibc
public import Sockets

/// Why an exchange, or a connection, came to nothing.
public enum FailureCause: Int, Sendable, Hashable, CaseIterable {
    /// Nobody listens there.
    case refused
    /// The connection was torn down: a reset, or a peer that had gone.
    case reset
    /// No connection, or no response, within the time for it.
    case timeout
    /// What came is not what had to come.
    case mismatch
    /// The peer ended the stream before all had come.
    case closedEarly
    /// This machine had no descriptor, no memory or no free port to give.
    case exhausted
    /// Sent, and still without an answer when the run was over.
    case unanswered
    /// Any other error of the system.
    case other

    /// As it is called in reports and assertions.
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
            // A Unix socket that is not there is a port that nobody listens on.
            case ECONNREFUSED, ENOENT: .refused
            case ETIMEDOUT: .timeout
            // A Unix socket whose queue is full says EAGAIN to connect; a port that cannot be had is EADDRNOTAVAIL.
            case EADDRNOTAVAIL, EAGAIN: .exhausted
            case _ where error.isReset: .reset
            case _ where error.isExhaustion: .exhausted
            default: .other
            }
    }
}

/// How often each cause was met.
public struct FailureCounts: Sendable {
    private var counts = InlineArray<8, Int>(repeating: 0)
    /// The last error that came under ``FailureCause/other``.
    public package(set) var otherError: SystemError?

    /// None.
    public init() {}

    /// How often a cause was met.
    public subscript(cause: FailureCause) -> Int {
        get { counts[cause.rawValue] }
        set { counts[cause.rawValue] = newValue }
    }

    /// All of them.
    public var total: Int {
        FailureCause.allCases.reduce(0) { $0 + self[$1] }
    }

    /// What has been added since an earlier state.
    public static func - (later: FailureCounts, earlier: FailureCounts) -> FailureCounts {
        var difference = later
        for cause in FailureCause.allCases { difference[cause] -= earlier[cause] }
        return difference
    }

    /// The sum of two.
    public static func + (left: FailureCounts, right: FailureCounts) -> FailureCounts {
        var sum = left
        for cause in FailureCause.allCases { sum[cause] += right[cause] }
        sum.otherError = right.otherError ?? left.otherError
        return sum
    }
}

extension FailureCounts: Equatable {
    /// Whether each cause was met as often.
    public static func == (left: FailureCounts, right: FailureCounts) -> Bool {
        FailureCause.allCases.allSatisfy { left[$0] == right[$0] } && left.otherError == right.otherError
    }
}
