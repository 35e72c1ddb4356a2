import Histogram
import Sockets

extension LoadTest.Report {
    init(
        _ configuration: LoadTest.Configuration,
        _ collector: Collector,
        wasStopped: Bool,
        environment: Environment = Environment()
    ) {
        let inAll = collector.counts
        let window = collector.threadResults.reduce(Counts()) { sum, threadResult in
            guard let atStart = threadResult.atStart, let atEnd = threadResult.atEnd else { return sum }
            return sum + (atEnd - atStart)
        }
        let seconds = collector.threadResults.map { $0.measured / .seconds(1) }.max() ?? 0
        let sample = collector.sample
        func perSecond(_ count: Int) -> Double { seconds > 0 ? Double(count) / seconds : 0 }

        setup = Setup(configuration)
        self.environment = environment
        duration = seconds
        self.wasStopped = wasStopped
        exchanges = Exchanges(
            due: inAll.due,
            answered: inAll.answered,
            failed: inAll.failed,
            unanswered: inAll.unanswered,
            unsent: inAll.unsent,
            overflowed: inAll.overflowed,
            startedTotal: inAll.begun,
            answeredTotal: inAll.completed,
            maxQueueLength: collector.threadResults.map(\.maxQueueLength).max() ?? 0
        )
        let upstream = window.bytesAcknowledged
        traffic = Traffic(
            upstream: upstream,
            downstream: window.bytesReceived,
            upstreamPerSecond: perSecond(upstream),
            downstreamPerSecond: perSecond(window.bytesReceived),
            upstreamTotal: inAll.bytesAcknowledged,
            downstreamTotal: inAll.bytesReceived
        )

        latency = LoadTest.LatencySummary(sample.fromDue)
        latencyFromSend = LoadTest.LatencySummary(sample.fromSend)
        connect = LoadTest.LatencySummary(sample.connect)
        percentiles = sample.fromDue.curve
        percentilesFromSend = sample.fromSend.curve

        handshake = LoadTest.LatencySummary(sample.handshake)
        if configuration.tls != nil { tls = TLS(inAll, window, collector.threadResults, seconds: seconds) }
        errors = inAll.failures.byName
        otherError = inAll.failures.otherError?.description
        let lived = collector.threadResults.reduce(0) { $0 + ($1.atEnd?.open ?? 0) }
        connections = Connections(established: inAll.connected, lived: lived, closedIdle: inAll.closedIdle)
        tester = Tester(window, collector.threadResults, sample)
        timeline = collector.timeline
        let ramp = Self.steps(of: configuration, collector.threadResults)
        steps = ramp.steps
        trustworthy = true
        warnings = []
        throughput = seconds > 0 && !configuration.isUnpaced ? perSecond(window.completed) : nil
        saturationPoint = ramp.saturationPoint
        warnings = ResultQuality.warnings(about: self)
        trustworthy = warnings.isEmpty
        hint = Outcome.hint(about: self)
    }

    private static func steps(of configuration: LoadTest.Configuration, _ threadResults: [ThreadResult]) -> (
        steps: [Step], saturationPoint: Double?
    ) {
        guard case .rate(let profile) = configuration.pace, !profile.pieces.isEmpty else { return ([], nil) }
        let count = threadResults.map(\.steps.count).max() ?? 0
        let length = configuration.duration / .seconds(1) / Double(max(1, count))
        var steps = (0..<count).map { index in
            var merged = StepSample()
            for threadResult in threadResults { merged.merge(threadResult.steps[index]) }
            return Step(
                start: Double(index) * length,
                end: Double(index + 1) * length,
                offered: Double(merged.due) / length,
                answered: Double(merged.answered) / length,
                failed: merged.failed,
                latency: LoadTest.LatencySummary(merged.fromDue),
                isSustained: false
            )
        }
        let saturationPoint = SaturationPoint.judge(&steps)
        return (steps, saturationPoint)
    }
}

extension LoadTest.Report.Setup {
    init(_ configuration: LoadTest.Configuration) {
        target = configuration.target.description
        (mode, size) = configuration.mode.spelledOut
        if case .request(_, let response) = configuration.mode { responseSize = response.size }
        proxyHeader = configuration.proxyHeader
        tls = configuration.tls.map { TLS($0, serverName: configuration.serverName) }
        if case .rate(let profile) = configuration.pace, !configuration.isUnpaced {
            rate = "\(profile)"
        } else {
            rate = "max"
        }
        arrivals = configuration.arrivals
        connections = configuration.connections
        threads = configuration.usedThreads
        duration = configuration.duration / .seconds(1)
        warmUp = configuration.warmUp / .seconds(1)
        seed = configuration.seed
    }
}

extension LoadTest.Report.Tester {
    init(_ window: Counts, _ threadResults: [ThreadResult], _ sample: Sample) {
        processorTime = Double(window.processorTime.total) / 1e9
        userTime = Double(window.processorTime.user) / 1e9
        systemTime = Double(window.processorTime.system) / 1e9
        busiestThread = threadResults.reduce(0) { busiest, threadResult in
            guard let atStart = threadResult.atStart, let atEnd = threadResult.atEnd, threadResult.measured > .zero
            else {
                return busiest
            }
            let time = Double((atEnd - atStart).processorTime.total) / 1e9
            return max(busiest, time / (threadResult.measured / .seconds(1)))
        }
        systemCalls = window.calls
        sendLag = LoadTest.LatencySummary(sample.lag)
        processorTimePerExchange = window.completed > 0 ? processorTime / Double(window.completed) : nil
        systemCallsPerExchange = window.completed > 0 ? Double(window.calls) / Double(window.completed) : nil
    }
}

extension LoadTest.FailureCounts {
    var byName: [String: Int] {
        var names = Dictionary(uniqueKeysWithValues: LoadTest.FailureCause.allCases.map { ($0.name, self[$0]) })
        names["total"] = total
        return names
    }
}

extension LoadTest.Mode {
    /// The name of the mode, and the number of bytes it sends at a time.
    fileprivate var spelledOut: (name: String, size: Int) {
        switch self {
        case .echo(let payload): ("echo", payload.count)
        case .request(let payload, _): ("request", payload.count)
        case .connect(let payload, _): ("connect", payload.count)
        case .handshake: ("handshake", 0)
        case .hold(let payload): ("hold", payload.count)
        case .bulk(let bulk): (bulk.direction.rawValue, bulk.chunk)
        case .script: ("script", 0)
        }
    }
}
