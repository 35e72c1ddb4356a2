/// What a server's active checks say of it: it goes down after so many failures in a row, and up after so many passes.
public struct HealthCounter: Sendable, Equatable {
    public enum State: String, Sendable {
        case up
        case down
        /// Not checked yet. Connections go there, and the first result settles it, whatever it is.
        case unknown
    }

    /// So many passes in a row bring a server up that is down.
    public let rise: Int
    /// So many failures in a row bring a server down that is up.
    public let fall: Int
    public private(set) var state: State
    /// Results in a row that speak against the state.
    public private(set) var contrary = 0

    /// - Parameters:
    ///   - rise: at least 1; less counts as 1.
    ///   - fall: at least 1; less counts as 1.
    ///   - initially: the state before the first result.
    public init(rise: Int = 2, fall: Int = 3, initially: State = .unknown) {
        self.rise = max(1, rise)
        self.fall = max(1, fall)
        state = initially
    }

    /// Whether new connections may go there.
    public var takesConnections: Bool { state != .down }

    /// Hears the result of a check.
    ///
    /// - Returns: the new state, if this result has changed it.
    public mutating func observe(passed: Bool) -> State? {
        let heard: State = passed ? .up : .down
        guard state != heard else {
            contrary = 0
            return nil
        }
        contrary += 1
        let needed = state == .unknown ? 1 : passed ? rise : fall
        guard contrary >= needed else { return nil }
        contrary = 0
        state = heard
        return heard
    }
}
