/// All that a generator counts, from its start and never reset: a span of time is the difference of two of these.
struct Counts: Sendable, Equatable {
    /// Exchanges begun and ended well, whenever they were due.
    var begun = 0
    var completed = 0

    /// Requests that were due in the measured time, and what became of them; the five add up to the first once a run is
    /// over.
    var due = 0
    var answered = 0
    var failed = 0
    var unanswered = 0
    var unsent = 0
    var overflowed = 0

    var failures = FailureCounts()

    /// Given to the kernel, and taken from it.
    var bytesSent = 0
    var bytesReceived = 0
    /// Of the bytes sent, those that the other kernel had not acknowledged at the time.
    var bytesUnacknowledged = 0

    /// Connections that were established, and those of them that the peer closed while they were idle.
    var connected = 0
    var closedIdle = 0
    /// Connections open at the time.
    var open = 0

    var calls = 0
    var processorTime = ProcessorTime()
}

extension Counts {
    static func - (later: Counts, earlier: Counts) -> Counts {
        var result = later
        for field in fields { result[keyPath: field] -= earlier[keyPath: field] }
        result.failures = later.failures - earlier.failures
        result.processorTime.user -= earlier.processorTime.user
        result.processorTime.system -= earlier.processorTime.system
        return result
    }

    static func + (left: Counts, right: Counts) -> Counts {
        var result = left
        for field in fields { result[keyPath: field] += right[keyPath: field] }
        result.failures = left.failures + right.failures
        result.processorTime.user += right.processorTime.user
        result.processorTime.system += right.processorTime.system
        return result
    }

    private static var fields: [WritableKeyPath<Counts, Int>] {
        [
            \.begun, \.completed, \.due, \.answered, \.failed, \.unanswered, \.unsent, \.overflowed, \.bytesSent,
            \.bytesReceived, \.bytesUnacknowledged, \.connected, \.closedIdle, \.open, \.calls,
        ]
    }
}
