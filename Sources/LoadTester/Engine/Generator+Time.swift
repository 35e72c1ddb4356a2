import EventLoop
import Sockets

/// Time-driven work: stage changes, deadlines, bulletins.
extension Generator where Network: ~Copyable, Load: ~Copyable {
    mutating func keepTime() {
        if processed.until >= nextSweep { sweep() }
        switch stage {
        case .opening:
            if processed.until >= stageDeadline { settleOpening() }
        case .waiting:
            if now >= start {
                beginRunning()
            } else if processed.until >= stageDeadline {
                stage = .over
            }
        case .running:
            if countsAtStart == nil, now >= measureFrom { startMeasuring() }
            if now >= end { finishMeasuring() }
        case .draining:
            if processed.until >= stageDeadline { abandonUnanswered() }
        case .over:
            break
        }
        if now >= nextIntervalReport {
            // Streams have no responses, whose arrival would tell what is acknowledged.
            if Load.isStream { measureUnacknowledged() }
            publish()
        }
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
        noteStop()
        nextSweep = now + sweepInterval
        for slot in 0..<connections.end where isOverdue(slot) {
            // A response may have arrived and be unread, since each connection is read only so far in its turn.
            look(slot)
            if isOverdue(slot) { fail(slot, connections.pointer(to: slot), .timeout) }
        }
        if stage == .opening { openMore() }
    }

    /// Detects that the thread was stopped, by a sweep that is late by half a timeout. At most once in the time of two
    /// timeouts, so that a thread that is always late still judges them.
    private mutating func noteStop() {
        let late = processed.until.since(nextSweep)
        guard late >= min(configuration.timeout, configuration.connectTimeout) / 2,
            processed.until >= resumed + configuration.timeout + configuration.connectTimeout
        else { return }
        resumed = processed.until
        stageDeadline = stageDeadline + late
    }

    private func isOverdue(_ slot: Int) -> Bool {
        guard connections.isTaken(slot) else { return false }
        let link = connections.pointer(to: slot)
        return switch link.pointee.phase {
        case .dialing, .securing:
            processed.until >= max(link.pointee.dialedAt, resumed) + configuration.connectTimeout
        case .busy, .closing:
            !Load.isStream && processed.until >= max(link.pointee.sentAt, resumed) + configuration.timeout
        case .idle, .checked: false
        }
    }
}
