import Sockets

/// The time before which all events have been processed. Pure.
///
/// A deadline is judged only up to this time: a thread that was stopped (SIGSTOP, a frozen cgroup, a suspended host)
/// finds its deadlines passed, while the events that would have kept them wait to be processed.
struct ProcessedEvents {
    /// All events that were ready before this time have been processed.
    private(set) var until: Instant
    private let eventsPerWait: Int
    /// Number of full batches after which all events that were ready before the first of them have been returned: the
    /// kernel returns events in the order in which they became ready.
    private let fullWaits: Int
    /// Beginning of the first of the latest full batches, and their number.
    private var firstFull: Instant?
    private var fullCount = 0

    /// - Parameters:
    ///   - until: the time before the first wait.
    ///   - eventsPerWait: maximum number of events of one wait, at least 1.
    ///   - descriptors: number of descriptors that can have events.
    init(until: Instant, eventsPerWait: Int, descriptors: Int) {
        self.until = until
        self.eventsPerWait = eventsPerWait
        fullWaits = descriptors / eventsPerWait + 1
    }

    /// Records that the events of a wait have been processed.
    ///
    /// - Parameter began: a time before the wait. The time after it may be much later than its end.
    @inline(__always)
    mutating func note(began: Instant, events: Int) {
        if events < eventsPerWait {
            until = began
            firstFull = nil
        } else {
            noteFull(began)
        }
    }

    private mutating func noteFull(_ began: Instant) {
        let first = firstFull ?? began
        fullCount = firstFull == nil ? 1 : fullCount + 1
        firstFull = first
        guard fullCount >= fullWaits else { return }
        until = first
        firstFull = nil
    }
}
