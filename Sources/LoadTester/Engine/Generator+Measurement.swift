import EventLoop
import Histogram
import Sockets

/// Recording of measurements, and handing them over.
extension Generator where Network: ~Copyable, Load: ~Copyable {
    /// Whether a connection's request was due in the measured time.
    @inline(__always)
    func isMeasured(_ link: Link) -> Bool {
        !Load.isStream && link.pointee.due >= measureFrom
    }

    @inline(__always)
    mutating func noteDue(_ due: Instant) {
        guard !Load.isStream, due >= measureFrom else { return }
        counts.due += 1
        if !steps.isEmpty { steps[stepIndex(of: due)].due += 1 }
    }

    /// Records a response.
    @inline(__always)
    mutating func record(_ link: Link, _ moment: Instant) {
        guard isMeasured(link) else { return }
        counts.answered += 1
        sample.fromDue.record(link.pointee.due, moment)
        sample.fromSend.record(link.pointee.sentAt, moment)
        if !steps.isEmpty {
            let index = stepIndex(of: link.pointee.due)
            steps[index].answered += 1
            steps[index].fromDue.record(link.pointee.due, moment)
        }
    }

    /// Records the age of a request without a response.
    mutating func recordAge(of link: Link) {
        sample.fromDue.record(link.pointee.due, now)
        sample.fromSend.record(link.pointee.sentAt, now)
        if !steps.isEmpty { steps[stepIndex(of: link.pointee.due)].fromDue.record(link.pointee.due, now) }
    }

    mutating func noteFailure(due: Instant) {
        counts.failed += 1
        if !steps.isEmpty { steps[stepIndex(of: due)].failed += 1 }
    }

    private func stepIndex(of due: Instant) -> Int {
        let passed = Double(due.nanoseconds - measureFrom.nanoseconds)
        let index = passed / Double(configuration.duration.wholeNanoseconds) * Double(configuration.steps)
        return min(Int(index), configuration.steps - 1)
    }

    // MARK: Spans of time

    mutating func startMeasuring() {
        measureUnacknowledged()
        countsAtStart = snapshot()
        // So that the first interval excludes what happened before it.
        publish()
    }

    /// Ends the measured time: no further request is due, and queued requests are counted as unsent.
    mutating func finishMeasuring() {
        if isOpenLoop { issue() }
        measureUnacknowledged()
        countsAtEnd = snapshot()
        measuredUntil = now
        publish()
        nextIntervalReport = Instant(nanoseconds: .max)
        while let due = queue.popFirst() {
            guard due >= measureFrom else { continue }
            counts.unsent += 1
            sample.fromDue.record(due, now)
            if !steps.isEmpty { steps[stepIndex(of: due)].fromDue.record(due, now) }
        }
        stage = .draining
        stageDeadline = now + configuration.drain
        if Load.isStream { finishStreams() }
        if configuration.lifecycle == .held, !workload.isEmpty {
            stageDeadline = now + configuration.timeout
        }
    }

    /// Starts closing each stream.
    private mutating func finishStreams() {
        for slot in 0..<connections.end where connections.isTaken(slot) {
            let link = connections.pointer(to: slot)
            guard link.pointee.phase == .busy else { continue }
            if workload.finish(&link.pointee.exchange) {
                if let error = endSending(slot, link) { fail(slot, link, error) }
            } else {
                counts.completed += 1
                discard(slot, .reset)
            }
        }
    }

    private mutating func endSending(_ slot: Int, _ link: Link) -> SystemError? {
        if let channels { return endStream(slot, link, channels, withFIN: true) }
        link.pointee.hasEndedSending = true
        return system.endSending(on: link.pointee.descriptor)
    }

    /// Gives up waiting: requests without a response are counted as unanswered.
    mutating func abandonUnanswered() {
        for slot in 0..<connections.end { look(slot) }
        for slot in 0..<connections.end where connections.isTaken(slot) {
            let link = connections.pointer(to: slot)
            switch link.pointee.phase {
            case .busy:
                if Load.isStream, workload.mayEnd(link.pointee.exchange) { continue }
            case .closing:
                break
            case .dialing, .securing:
                guard isPerExchange else { continue }
            case .idle:
                // Held, but its exchange was never started.
                guard configuration.lifecycle == .held, !workload.isEmpty else { continue }
                noteDue(now)
                counts.unsent += 1
                continue
            case .checked:
                continue
            }
            counts.failures[.unanswered] += 1
            guard isMeasured(link) else { continue }
            counts.unanswered += 1
            recordAge(of: link)
        }
        stage = .over
    }

    // MARK: Handing over

    mutating func snapshot() -> Counts {
        counts.calls = system.calls
        counts.processorTime = system.processorTime
        return counts
    }

    /// Updates the number of unacknowledged bytes of all connections. Costs a system call for each connection whose
    /// request, or stream, is in progress, so it is called only at the ends of time spans.
    mutating func measureUnacknowledged() {
        for slot in 0..<connections.end where connections.isTaken(slot) {
            measureUnacknowledged(slot, connections.pointer(to: slot))
        }
    }

    /// Updates the number of unacknowledged bytes of a connection, also of one that has failed.
    mutating func measureUnacknowledged(_ slot: Int, _ link: Link) {
        guard link.pointee.unacknowledged > 0 else { return }
        // The bytes sent to a Unix socket are in the peer's receive queue.
        var remaining = isUnix ? 0 : system.unacknowledged(on: link.pointee.descriptor)
        if link.pointee.hasEndedSending { remaining = max(0, remaining - 1) }
        // Over TLS these are encrypted bytes, which are more than their data.
        remaining += waiting(slot, link)
        remaining = min(remaining, link.pointee.unacknowledged)
        counts.bytesUnacknowledged -= link.pointee.unacknowledged - remaining
        link.pointee.unacknowledged = remaining
    }

    /// Hands over the measurements since the last bulletin, if that bulletin has been taken.
    mutating func publish() {
        interval = Int(now.since(measureFrom) / configuration.interval)
        nextIntervalReport = measureFrom + configuration.interval * (interval + 1)
        if outbox.exchange(&sample, counts: snapshot(), interval: interval) { published() }
    }

    mutating func closeAll() {
        for slot in 0..<connections.end where connections.isTaken(slot) {
            // A reset stops a peer that still owes a response from sending it; the other connections are closed with a
            // FIN.
            switch connections.pointer(to: slot).pointee.phase {
            case .busy, .closing: discard(slot, .reset)
            case .dialing, .securing, .idle, .checked: discard(slot, .fin)
            }
        }
    }

    mutating func publishThreadResult(_ counts: Counts) {
        outbox.leave(
            ThreadResult(
                sample: sample,
                counts: counts,
                atStart: countsAtStart,
                atEnd: countsAtEnd,
                interval: interval,
                measured: measuredUntil.since(measureFrom),
                steps: steps,
                maxQueueLength: maxQueueLength,
                agreements: channels?.agreements.map { agreement in
                    LoadTest.Report.TLS.Agreement(
                        version: agreement.version?.description ?? "unknown",
                        cipher: String(cString: agreement.cipher),
                        count: agreement.count
                    )
                } ?? []
            )
        )
    }
}
