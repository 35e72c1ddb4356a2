import Sockets

/// Merges the bulletins of the threads, interval by interval. Pure.
struct Collector {
    private struct Interval {
        var sample = Sample.fresh()
        var counts = Counts()
    }

    private let threads: Int
    /// Length of an interval in nanoseconds; an integer, so that dividing by a power of ten gives short decimal
    /// seconds.
    private let length: UInt64
    private var total = Sample.fresh()
    /// For each thread, the counters and the interval of its last bulletin.
    private var latestCounts: [Counts]
    private var latestInterval: [Int]
    private var pending: [Int: Interval] = [:]
    private var timelineEnd = 0
    private(set) var timeline: [LoadTest.Report.TimelinePoint] = []
    private(set) var threadResults: [ThreadResult] = []

    /// - Parameter interval: interval between the bulletins of a thread.
    init(threads: Int, interval: Duration) {
        self.threads = threads
        length = interval.wholeNanoseconds
        latestCounts = Array(repeating: Counts(), count: threads)
        latestInterval = Array(repeating: 0, count: threads)
    }

    /// Adds a thread's bulletin.
    ///
    /// - Returns: whether the timeline has grown.
    mutating func add(_ intervalReport: IntervalReport, of thread: Int) -> Bool {
        add(intervalReport.sample, intervalReport.counts, interval: intervalReport.interval, of: thread)
        return completeIntervals(upTo: latestInterval.min() ?? 0)
    }

    /// Adds the final measurements of a thread; returns whether the timeline has grown.
    mutating func add(_ threadResult: ThreadResult, of thread: Int) -> Bool {
        threadResults.append(threadResult)
        if let atEnd = threadResult.atEnd, latestInterval[thread] < threadResult.interval {
            // The last bulletin was not handed over, since the outbox was full.
            add(threadResult.sample, atEnd, interval: threadResult.interval, of: thread)
        } else {
            total.merge(threadResult.sample)
        }
        latestCounts[thread] = threadResult.counts
        // The thread sends no more bulletins, so no interval waits for it.
        latestInterval[thread] = .max
        return completeIntervals(upTo: min(latestInterval.min() ?? 0, pending.keys.max() ?? 0))
    }

    /// Sum of the counters of all threads, as of their last bulletins.
    var counts: Counts {
        latestCounts.reduce(Counts(), +)
    }

    var sample: Sample { total }

    private mutating func add(_ sample: Sample, _ counts: Counts, interval: Int, of thread: Int) {
        total.merge(sample)
        var merged = pending.removeValue(forKey: interval) ?? Interval()
        merged.sample.merge(sample)
        merged.counts = merged.counts + (counts - latestCounts[thread])
        pending[interval] = merged
        latestCounts[thread] = counts
        latestInterval[thread] = interval
    }

    private mutating func completeIntervals(upTo last: Int) -> Bool {
        let before = timelineEnd
        let complete = pending.keys.filter { $0 <= last }.sorted()
        for index in complete {
            guard let interval = pending.removeValue(forKey: index), index > timelineEnd else { continue }
            let span = seconds(index - timelineEnd)
            let latency = LoadTest.LatencySummary(interval.sample.fromDue)
            let isMeasured = latency.count > 0
            timeline.append(
                LoadTest.Report.TimelinePoint(
                    time: seconds(index),
                    seconds: span,
                    throughput: Double(interval.counts.completed) / span,
                    p50: isMeasured ? latency.p50 : nil,
                    p99: isMeasured ? latency.p99 : nil,
                    max: isMeasured ? latency.max : nil,
                    errors: interval.counts.failures.total,
                    upstreamPerSecond: Double(interval.counts.bytesAcknowledged) / span,
                    downstreamPerSecond: Double(interval.counts.bytesReceived) / span,
                    handshakesPerSecond: Double(interval.counts.handshakes) / span
                )
            )
            timelineEnd = index
        }
        return timelineEnd > before
    }

    private func seconds(_ intervals: Int) -> Double {
        Double(UInt64(intervals) * length) / 1e9
    }
}
