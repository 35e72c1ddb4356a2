/// The state of a server according to its active health checks: down after a number of consecutive failures, up after a
/// number of consecutive passes.
public struct HealthCounter: Sendable, Equatable {
    /// State of a server according to its checks.
    public enum State: String, Sendable {
        /// The last checks passed.
        case up
        /// The last checks failed.
        case down
        /// Not checked yet. The server takes connections, and the first result determines its state.
        case unknown
    }

    /// The number of consecutive passes that mark a server up.
    public let rise: Int
    /// The number of consecutive failures that mark a server down.
    public let fall: Int
    public private(set) var state: State
    /// The number of consecutive results that contradict the state.
    public private(set) var contrary = 0

    /// - Parameters:
    ///   - rise: At least 1; less counts as 1.
    ///   - fall: At least 1; less counts as 1.
    ///   - initially: The state before the first result.
    public init(rise: Int = 2, fall: Int = 3, initially: State = .unknown) {
        self.rise = max(1, rise)
        self.fall = max(1, fall)
        state = initially
    }

    /// Whether the server takes new connections.
    public var takesConnections: Bool { state != .down }

    /// Records the result of a health check.
    ///
    /// - Returns: The new state if this result has changed it, otherwise nil.
    public mutating func observe(passed: Bool) -> State? {
        let observed: State = passed ? .up : .down
        guard state != observed else {
            contrary = 0
            return nil
        }
        contrary += 1
        let needed = state == .unknown ? 1 : passed ? rise : fall
        guard contrary >= needed else { return nil }
        contrary = 0
        state = observed
        return observed
    }
}
