import EventLoop
import Sockets

/// Time-driven work: stage changes, deadlines, bulletins.
extension Generator where Network: ~Copyable, Load: ~Copyable {
    mutating func keepTime() {
        if now >= nextSweep { sweep() }
        switch stage {
        case .opening:
            if now >= stageDeadline { settleOpening() }
        case .waiting:
            if now >= start {
                beginRunning()
            } else if now >= stageDeadline {
                stage = .over
            }
        case .running:
            if countsAtStart == nil, now >= measureFrom { startMeasuring() }
            if now >= end { finishMeasuring() }
        case .draining:
            if now >= stageDeadline { abandonUnanswered() }
        case .over:
            break
        }
        if now >= nextIntervalReport { publish() }
        setNextHousekeeping()
    }

    private mutating func setNextHousekeeping() {
        nextHousekeeping = min(nextSweep, nextIntervalReport)
        switch stage {
        case .opening, .draining, .over: nextHousekeeping = min(nextHousekeeping, stageDeadline)
        case .waiting: nextHousekeeping = min(nextHousekeeping, start, stageDeadline)
        case .running: nextHousekeeping = min(nextHousekeeping, countsAtStart == nil ? measureFrom : end)
        }
    }

    /// Ends stage `opening`: each connection has been tried once, or the time for it is over.
    mutating func settleOpening() {
        guard stage == .opening else { return }
        stage = .waiting
        stageDeadline = now + Limits.startPatience
        opened(Opening(established: counts.connected, failures: counts.failures))
        readMailbox()
        setNextHousekeeping()
    }

    mutating func scheduleStart(at moment: Instant) {
        guard stage == .waiting, start == Instant(nanoseconds: .max) else { return }
        start = moment
        measureFrom = start + configuration.warmUp
        end = measureFrom + configuration.duration
        setNextHousekeeping()
    }

    private mutating func beginRunning() {
        stage = .running
        drawNextDue()
        if now >= measureFrom { startMeasuring() }
    }

    mutating func stop() {
        switch stage {
        case .opening, .waiting: stage = .over
        case .running:
            end = now
            if countsAtStart == nil {
                stage = .over
            } else {
                finishMeasuring()
                setNextHousekeeping()
            }
        case .draining, .over: break
        }
    }

    /// Ends the run immediately, with the measurements so far.
    mutating func abort() {
        stop()
        if stage == .draining { abandonUnanswered() }
        stage = .over
    }

    /// Fails connections whose timeout has expired. Periodic and thus inexact, so that an exchange needs no timer of
    /// its own.
    private mutating func sweep() {
        nextSweep = now + sweepInterval
        for slot in 0..<connections.end where connections.isTaken(slot) {
            let link = connections.pointer(to: slot)
            switch link.pointee.phase {
            case .dialing:
                if now.since(link.pointee.dialedAt) >= configuration.connectTimeout { fail(slot, link, .timeout) }
            case .busy:
                if !Load.isStream, now.since(link.pointee.sentAt) >= configuration.timeout {
                    fail(slot, link, .timeout)
                }
            case .idle, .checked:
                break
            }
        }
        if stage == .opening { openMore() }
    }
}
