import Histogram
import Sockets

extension Report {
    init(_ plan: Plan, _ collector: Collector, wasStopped: Bool) {
        let inAll = collector.counts
        let window = collector.legacies.reduce(Counts()) { sum, legacy in
            guard let atStart = legacy.atStart, let atEnd = legacy.atEnd else { return sum }
            return sum + (atEnd - atStart)
        }
        let seconds = collector.legacies.map { $0.measured / .seconds(1) }.max() ?? 0
        let sample = collector.sample
        func perSecond(_ count: Int) -> Double { seconds > 0 ? Double(count) / seconds : 0 }

        setup = Setup(plan)
        duration = seconds
        self.wasStopped = wasStopped
        exchanges = Exchanges(
            due: inAll.due,
            answered: inAll.answered,
            failed: inAll.failed,
            unanswered: inAll.unanswered,
            unsent: inAll.unsent,
            overflowed: inAll.overflowed,
            begunInAll: inAll.begun,
            answeredInAll: inAll.completed,
            longestQueue: collector.legacies.map(\.longestQueue).max() ?? 0
        )
        throughput = perSecond(window.completed)
        // Bytes received by the target's kernel: sent bytes minus the unacknowledged ones, at both ends of the measured
        // time.
        let upstream = max(0, window.bytesSent - window.bytesUnacknowledged)
        traffic = Traffic(
            upstream: upstream,
            downstream: window.bytesReceived,
            upstreamPerSecond: perSecond(upstream),
            downstreamPerSecond: perSecond(window.bytesReceived),
            upstreamInAll: inAll.bytesSent - inAll.bytesUnacknowledged,
            downstreamInAll: inAll.bytesReceived
        )

        latency = LatencySummary(sample.fromDue)
        latencyFromSend = LatencySummary(sample.fromSend)
        connect = LatencySummary(sample.connect)
        percentiles = sample.fromDue.curve
        percentilesFromSend = sample.fromSend.curve

        errors = inAll.failures.byName
        otherError = inAll.failures.otherError?.description
        let lived = collector.legacies.reduce(0) { $0 + ($1.atEnd?.open ?? 0) }
        connections = Connections(established: inAll.connected, lived: lived, closedIdle: inAll.closedIdle)
        tester = Tester(window, collector.legacies, sample)
        timeline = collector.timeline
        (steps, knee) = Self.steps(of: plan, collector.legacies)
        trustworthy = true
        doubts = []
        doubts = Trust.doubts(about: self)
        trustworthy = doubts.isEmpty
    }

    private static func steps(of plan: Plan, _ legacies: [Legacy]) -> ([Step], Double?) {
        guard case .rate(let profile) = plan.pace, !profile.pieces.isEmpty else { return ([], nil) }
        let count = legacies.map(\.steps.count).max() ?? 0
        let length = plan.duration / .seconds(1) / Double(max(1, count))
        var steps = (0..<count).map { index in
            var merged = StepSample()
            for legacy in legacies { merged.merge(legacy.steps[index]) }
            return Step(
                start: Double(index) * length,
                end: Double(index + 1) * length,
                offered: Double(merged.due) / length,
                answered: Double(merged.answered) / length,
                failed: merged.failed,
                latency: LatencySummary(merged.fromDue),
                isBorne: false
            )
        }
        let knee = Knee.judge(&steps)
        return (steps, knee)
    }
}

extension Report.Setup {
    init(_ plan: Plan) {
        target = plan.target.description
        (mode, size) = plan.mode.inWords
        if case .request(_, let response) = plan.mode { responseSize = response.size }
        if case .rate(let profile) = plan.pace, !plan.isUnpaced { rate = "\(profile)" } else { rate = "max" }
        arrivals = plan.arrivals
        connections = plan.connections
        threads = plan.usedThreads
        duration = plan.duration / .seconds(1)
        warmUp = plan.warmUp / .seconds(1)
        seed = plan.seed
    }
}

extension Report.Tester {
    init(_ window: Counts, _ legacies: [Legacy], _ sample: Sample) {
        let exchanges = Double(max(1, window.completed))
        processorTime = Double(window.processorTime.total) / 1e9
        userTime = Double(window.processorTime.user) / 1e9
        systemTime = Double(window.processorTime.system) / 1e9
        busiestThread = legacies.reduce(0) { busiest, legacy in
            guard let atStart = legacy.atStart, let atEnd = legacy.atEnd, legacy.measured > .zero else {
                return busiest
            }
            let time = Double((atEnd - atStart).processorTime.total) / 1e9
            return max(busiest, time / (legacy.measured / .seconds(1)))
        }
        processorTimePerExchange = window.completed > 0 ? processorTime / exchanges : 0
        systemCalls = window.calls
        systemCallsPerExchange = window.completed > 0 ? Double(window.calls) / exchanges : 0
        sendLag = LatencySummary(sample.lag)
    }
}

extension FailureCounts {
    var byName: [String: Int] {
        var names = Dictionary(uniqueKeysWithValues: FailureCause.allCases.map { ($0.name, self[$0]) })
        names["total"] = total
        return names
    }
}

extension Mode {
    /// The name of the mode, and the number of bytes it sends at a time.
    fileprivate var inWords: (name: String, size: Int) {
        switch self {
        case .echo(let payload): ("echo", payload.count)
        case .request(let payload, _): ("request", payload.count)
        case .connect(let payload, _): ("connect", payload.count)
        case .hold(let payload): ("hold", payload.count)
        case .bulk(let bulk): (bulk.direction.rawValue, bulk.chunk)
        case .script: ("script", 0)
        }
    }
}
