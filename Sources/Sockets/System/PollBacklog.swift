/// Decides by the number of events whether a wait has returned all readiness that existed.
///
/// A full batch may leave events for the next wait. The number of consecutive full batches is limited, so that timeouts
/// are also applied while there are always more events than one batch holds: the kernel returns events in order of
/// occurrence, so the waits within the limit have returned those of at least 16,384 descriptors that were ready first.
public struct PollBacklog: Sendable {
    /// The maximum number of consecutive full batches after which readiness counts as returned.
    @inlinable public static var maxFullBatches: Int { 64 }

    @usableFromInline var fullBatches = 0

    @inlinable
    public init() {}

    /// Records the events of a wait.
    ///
    /// - Returns: Whether all readiness has been returned.
    @inlinable
    public mutating func isDrained(after events: Int, ofAtMost batch: Int) -> Bool {
        if events >= batch, fullBatches < Self.maxFullBatches {
            fullBatches += 1
            return false
        }
        fullBatches = 0
        return true
    }
}
