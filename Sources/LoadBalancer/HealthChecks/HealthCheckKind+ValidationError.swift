extension HealthCheckKind {
    /// Why a check is invalid.
    public enum ValidationError: Error, Hashable, Sendable {
        /// No expected bytes: every response would pass.
        case nothingExpected
        /// More bytes are expected than ``HealthCheckKind/answerLimit``; the value is their number.
        case longExpectation(Int)
        /// The number of steps of a `send-expect` check is not within 1 to ``HealthCheckKind/maxSteps``.
        case badStepCount(Int)
        /// The user is empty, too long or contains a zero byte.
        case badUser(String)
        /// The path does not start with a slash, or contains spaces or control characters.
        case badPath(String)
        /// The host is empty, or contains spaces or control characters.
        case badHost(String)
        /// There are no status codes, or some are not within 100 to 599.
        case badStatus(ClosedRange<Int>)
    }
}

extension HealthCheckKind.ValidationError: CustomStringConvertible {
    /// One sentence: what is wrong and how to fix it.
    public var description: String {
        switch self {
        case .nothingExpected: "no expected bytes: set the bytes that the response must contain, or use a tcp check"
        case .longExpectation(let count):
            "too many expected bytes: \(count), but only the first \(HealthCheckKind.answerLimit) of a response are read"
        case .badStepCount(let count):
            "\(count) steps: must be 1 to \(HealthCheckKind.maxSteps)"
        case .badUser(let user):
            "invalid user '\(user)': must have 1 to \(PostgreSQLHealthCheckExchange.maxUserLength) bytes, none of them 0"
        case .badPath(let path):
            "invalid path '\(path)': must begin with a slash, without spaces and control characters (RFC 3986)"
        case .badHost(let host): "invalid host '\(host)': must not be empty or contain spaces or control characters"
        case .badStatus(let range):
            "invalid HTTP status codes \(range.lowerBound) to \(range.upperBound): must be within 100 to 599"
        }
    }
}
