/// What is known while a load test runs. Times in seconds.
public struct Progress: Sendable, Hashable {
    /// Where a run is.
    public enum Phase: String, Sendable, Hashable {
        /// Connections are being opened.
        case opening
        case warmUp
        case measuring
        /// The measured time is over; the last responses are awaited.
        case draining
    }

    /// Where the run is.
    public var phase: Phase
    /// Of the measured time.
    public var elapsed: Double
    /// Of the measured time, in all.
    public var duration: Double
    /// The last interval; nil before the first is over.
    public var latest: Report.TimelinePoint?
    /// Since the start of the measured time.
    public var answered: Int
    /// Connections that are open.
    public var connections: Int
    /// Of the whole run, by cause, as in ``Report/errors``.
    public var errors: [String: Int]
}
