/// The counters of a generator. They are never reset: the values for a time span are the difference of two snapshots.
struct Counts: Sendable, Equatable {
    /// Exchanges begun, and exchanges completed successfully, including those due outside the measured time.
    var begun = 0
    var completed = 0

    /// Requests due in the measured time, and their outcomes; at the end of a run, the other five add up to `due`.
    var due = 0
    var answered = 0
    var failed = 0
    var unanswered = 0
    var unsent = 0
    var overflowed = 0

    var failures = LoadTest.FailureCounts()

    /// Bytes accepted by the kernel for sending, and bytes received from it.
    var bytesSent = 0
    var bytesReceived = 0
    /// Of the bytes sent, those not acknowledged by the peer's kernel when their connection was closed.
    var bytesLost = 0
    /// Of the bytes sent on open connections, those not known to have been acknowledged at the time of the snapshot.
    var bytesUnacknowledged = 0

    /// Established connections, and those of them that the peer closed while they were idle.
    var connected = 0
    var closedIdle = 0
    /// Complete TLS handshakes, and connections whose stream the peer ended without close_notify.
    var fullHandshakes = 0
    var resumedHandshakes = 0
    var truncated = 0
    /// Current number of open connections.
    var open = 0

    var calls = 0
    var processorTime = ProcessorTime()

    var handshakes: Int { fullHandshakes + resumedHandshakes }

    /// Bytes sent and acknowledged by the peer's kernel.
    var bytesAcknowledged: Int { bytesSent - bytesLost - bytesUnacknowledged }
}

extension Counts {
    static func - (later: Counts, earlier: Counts) -> Counts {
        var result = later
        for field in fields { result[keyPath: field] -= earlier[keyPath: field] }
        result.failures = later.failures - earlier.failures
        return result
    }

    static func + (left: Counts, right: Counts) -> Counts {
        var result = left
        for field in fields { result[keyPath: field] += right[keyPath: field] }
        result.failures = left.failures + right.failures
        return result
    }

    private static var fields: [WritableKeyPath<Counts, Int>] {
        [
            \.begun, \.completed, \.due, \.answered, \.failed, \.unanswered, \.unsent, \.overflowed, \.bytesSent,
            \.bytesReceived, \.bytesLost, \.bytesUnacknowledged, \.connected, \.closedIdle, \.fullHandshakes,
            \.resumedHandshakes,
            \.truncated, \.open, \.calls,
            \.processorTime.user, \.processorTime.system,
        ]
    }
}
