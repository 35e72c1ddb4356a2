import Sockets
import Workers

/// Time-driven work: stage changes, deadlines, bulletins.
extension Generator where Network: ~Copyable, Talk: ~Copyable {
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
            if now >= stageDeadline { giveUp() }
        case .over:
            break
        }
        if now >= nextBulletin { publish() }
        setNextChore()
    }

    private mutating func setNextChore() {
        nextChore = min(nextSweep, nextBulletin)
        switch stage {
        case .opening, .draining, .over: nextChore = min(nextChore, stageDeadline)
        case .waiting: nextChore = min(nextChore, start, stageDeadline)
        case .running: nextChore = min(nextChore, countsAtStart == nil ? measureFrom : end)
        }
    }

    /// Ends stage `opening`: each connection has been tried once, or the time for it is over.
    mutating func settleOpening() {
        guard stage == .opening else { return }
        stage = .waiting
        stageDeadline = now + Limits.startPatience
        opened(Opening(established: counts.connected, failures: counts.failures))
        readMailbox()
        setNextChore()
    }

    mutating func scheduleStart(at moment: Instant) {
        guard stage == .waiting, start == Instant(nanoseconds: .max) else { return }
        start = moment
        measureFrom = start + plan.warmUp
        end = measureFrom + plan.duration
        setNextChore()
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
                setNextChore()
            }
        case .draining, .over: break
        }
    }

    /// Ends the run immediately, with the measurements so far.
    mutating func abort() {
        stop()
        if stage == .draining { giveUp() }
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
                if now.since(link.pointee.dialedAt) >= plan.connectTimeout { fail(slot, link, .timeout) }
            case .busy:
                if !Talk.isStream, now.since(link.pointee.sentAt) >= plan.timeout { fail(slot, link, .timeout) }
            case .idle, .checked:
                break
            }
        }
        if stage == .opening { openMore() }
    }
}
