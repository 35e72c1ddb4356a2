import Relay
import Sockets
import EventLoop

// Relaying, resetting and closing connections.

extension Worker where S: ~Copyable {
    /// Relays what is possible and handles the outcome.
    mutating func relay(_ slot: Slot) {
        let session = sessions.pointer(to: slot)
        let upstreamBefore = session.pointee.duplex.upstream.transferred
        let downstreamBefore = session.pointee.duplex.downstream.transferred
        let splicedUpstreamBefore = session.pointee.duplex.upstream.spliced
        let splicedDownstreamBefore = session.pointee.duplex.downstream.spliced
        let wasHalfClosed = session.pointee.isHalfClosed
        let hasBandwidthLimit = session.pointee.flags.contains(.hasBandwidthLimit)
        let outcome =
            hasBandwidthLimit
            ? relayWithinBandwidth(slot) : session.pointee.duplex.turn(on: &system, with: &buffers, clock: &clock)
        let upstream = Int(session.pointee.duplex.upstream.transferred &- upstreamBefore)
        let downstream = Int(session.pointee.duplex.downstream.transferred &- downstreamBefore)
        if upstream > 0 { countUpstream(upstream, slot) }
        if downstream > 0 {
            countDownstream(downstream, slot)
            if downstreamBefore == 0 { noteFirstByte(slot) }
        }
        let splicedUpstream = Int(session.pointee.duplex.upstream.spliced &- splicedUpstreamBefore)
        let splicedDownstream = Int(session.pointee.duplex.downstream.spliced &- splicedDownstreamBefore)
        if splicedUpstream > 0 { shared.counters.add(splicedUpstream, to: .splicedUpstream) }
        if splicedDownstream > 0 { shared.counters.add(splicedDownstream, to: .splicedDownstream) }
        // The half-close timeout starts when the first direction ends.
        let becameHalfClosed = session.pointee.isHalfClosed && !wasHalfClosed
        if becameHalfClosed { session.pointee.lastActivity = now }
        if upstream + downstream > 0 {
            let isTracked = session.pointee.flags.contains(.tracksActivity)
            if isTracked || wasHalfClosed || session.pointee.stage == .drainingBeforeReset {
                session.pointee.lastActivity = now
            }
            if shared.connectionLimiter.hasSubscribers { reportBytes(slot, mustTell: false) }
        }
        switch outcome {
        case .waiting where hasBandwidthLimit:
            planBudget(slot)
        case .waiting:
            if becameHalfClosed || session.pointee.duplex.batchesReads { setTimer(slot) }
        case .moreToMove:
            if becameHalfClosed { setTimer(slot) }
            ready.append(slot)
        case .over:
            close(slot)
        case .failed(_, let delivered):
            deliver(slot, isHandedOver: delivered)
        }
    }

    @inline(__always)
    private func countUpstream(_ bytes: Int, _ slot: Slot) {
        let session = sessions.pointer(to: slot)
        shared.counters.add(bytes, to: .bytesUpstream)
        shared.listenerMetrics.add(bytes, to: .bytesUpstream, of: Int(session.pointee.listener))
        shared.serverMetrics.add(bytes, to: .bytesUpstream, of: session.pointee.dial.server!.id)
    }

    @inline(__always)
    private func countDownstream(_ bytes: Int, _ slot: Slot) {
        let session = sessions.pointer(to: slot)
        shared.counters.add(bytes, to: .bytesDownstream)
        shared.listenerMetrics.add(bytes, to: .bytesDownstream, of: Int(session.pointee.listener))
        shared.serverMetrics.add(bytes, to: .bytesDownstream, of: session.pointee.dial.server!.id)
    }

    /// Publishes the pipe counters and schedules the closing of unused pipes.
    mutating func publishPipeCounters() {
        if buffers.pipes.hasSpares, !timers.isScheduled(pipeTimer) {
            timers.schedule(pipeTimer, at: now + WorkerSettings.idlePipeTimeout)
        }
        let pipes = shared.counters[.pipesInUse]
        let refusals = shared.counters[.pipeAllocationFailures]
        guard buffers.pipes.inUse != pipes || buffers.pipes.refusals != refusals else { return }
        shared.counters.add(buffers.pipes.inUse - pipes, to: .pipesInUse)
        shared.counters.add(buffers.pipes.refusals - refusals, to: .pipeAllocationFailures)
    }

    /// Sets the connection's timer to its earliest deadline.
    mutating func setTimer(_ slot: Slot) {
        if let next = nextDeadline(of: slot) {
            timers.schedule(slot, at: next.at)
        } else {
            timers.cancel(slot)
        }
    }

    /// Returns the listener that accepted a connection, which holds its settings.
    @inline(__always)
    func settings(of slot: Slot) -> UnsafeMutablePointer<Listener> {
        listeners.pointer(to: Int(sessions.pointer(to: slot).pointee.listener))
    }

    /// Returns the earliest deadline of a connection.
    @inline(__always)
    func nextDeadline(of slot: Slot) -> (at: Instant, action: ConnectionTimeouts.Action)? {
        let session = sessions.pointer(to: slot)
        let isQueued = session.pointee.stage == .queued
        let queueTimeout = isQueued ? pools.pointer(to: pool(of: slot)).pointee.queueTimeout : nil
        let recheckAt =
            session.pointee.flags.contains(.hasBandwidthLimit)
            ? bandwidthAllowances.pointer(to: slot).pointee.nextTurn
            : session.pointee.duplex.recheckTime(buffers.batching)
        let facts = session.pointee.timeoutInputs(queueTimeout: queueTimeout, recheckAt: recheckAt)
        return settings(of: slot).pointee.settings.deadlines.next(facts)
    }

    mutating func deadlineReached(_ slot: Slot) {
        let session = sessions.pointer(to: slot)
        guard let next = nextDeadline(of: slot) else { return }
        // Activity has moved the deadline since the timer was set.
        guard next.at <= now else { return timers.schedule(slot, at: next.at) }
        switch next.action {
        case .preread: deny(slot, .prereadTimeout)
        case .attempt: attemptFailed(slot, .timedOut)
        case .connect:
            shared.counters.add(1, to: .failure(.timeout))
            if let server = session.pointee.dial.server {
                shared.serverMetrics.add(1, to: .failure(.timeout), of: server.id)
                server.noteFailure(after: sinceAttempt(slot), now: Int(now.nanoseconds))
            }
            refuse(slot)
        case .queue:
            shared.poolMetrics.add(1, to: .queueTimeouts, of: pool(of: slot))
            refuse(slot)
        case .retry: findServer(slot)
        case .idle: abort(slot, .idleTimeout, by: .proxy)
        case .halfClose: abort(slot, .halfCloseTimeout, by: .proxy)
        case .lifetime: abort(slot, .lifetime, by: .proxy)
        case .keepAlive:
            session.pointee.hasKeepAlive = true
            system.keepAlive(
                settings(of: slot).pointee.settings.keepAlive!,
                on: session.pointee.duplex.server.descriptor!
            )
            setTimer(slot)
        case .resetDrain: relay(slot)
        case .recheck:
            session.pointee.duplex.recheck(on: &system, with: buffers, at: now)
            let generation = sessions.generation(of: slot)
            relay(slot)
            // Batching has ended, so the deadlines that it preceded are due next.
            if sessions.find(slot, generation: generation) != nil, !timers.isScheduled(slot) { setTimer(slot) }
        }
    }

    // MARK: Resets

    /// Handles the failure of one side. Resets the other side once its peer has acknowledged all data sent to it,
    /// because a reset discards queued data; stops waiting if there is no progress for too long.
    private mutating func deliver(_ slot: Slot, isHandedOver: Bool) {
        let session = sessions.pointer(to: slot)
        let remaining = session.pointee.duplex.pending + unacknowledged(slot)
        if isHandedOver, remaining == 0 { return abort(slot, .reset, by: endedBy(slot)) }
        if session.pointee.stage != .drainingBeforeReset {
            session.pointee.stage = .drainingBeforeReset
            session.pointee.resetDrain = ResetDrain(
                remaining: remaining,
                progressAt: now,
                nextRecheck: now,
                interval: WorkerSettings.resetDrainPollInterval.lowerBound
            )
        } else if remaining != session.pointee.resetDrain.remaining || session.pointee.lastActivity == now {
            // The number is also unchanged if as many bytes arrived from the failed side as were acknowledged: that is
            // progress, too.
            session.pointee.resetDrain.remaining = remaining
            session.pointee.resetDrain.progressAt = now
        } else if now.since(session.pointee.resetDrain.progressAt)
            >= settings(of: slot).pointee.settings.resetDrainTimeout
        {
            return abort(slot, .reset, by: endedBy(slot))
        }
        if session.pointee.resetDrain.nextRecheck <= now {
            session.pointee.resetDrain.nextRecheck = now + session.pointee.resetDrain.interval
            session.pointee.resetDrain.interval = min(
                session.pointee.resetDrain.interval * 2,
                WorkerSettings.resetDrainPollInterval.upperBound
            )
        }
        setTimer(slot)
    }

    /// Returns the number of bytes sent to the remaining side that are not yet acknowledged.
    private mutating func unacknowledged(_ slot: Slot) -> Int {
        let session = sessions.pointer(to: slot)
        if session.pointee.duplex.client.failure == nil { return unacknowledged(slot, .client) }
        return session.pointee.duplex.server.failure == nil ? unacknowledged(slot, .server) : 0
    }

    /// Returns 0 for a Unix socket: its peer has the data as soon as it is sent, and keeps it when this end closes.
    private mutating func unacknowledged(_ slot: Slot, _ party: Side) -> Int {
        let session = sessions.pointer(to: slot)
        let count: Int
        let hasSentEnd: Bool
        switch party {
        case .client:
            guard !session.pointee.flags.contains(.isUnix), session.pointee.duplex.client.descriptor != nil else {
                return 0
            }
            count = system.unacknowledged(on: session.pointee.duplex.client.descriptor!)
            hasSentEnd = session.pointee.duplex.downstream.state.phase == .finished
        case .server:
            guard !session.pointee.dial.isUnix,
                session.pointee.duplex.server.descriptor != nil
            else { return 0 }
            count = system.unacknowledged(on: session.pointee.duplex.server.descriptor!)
            hasSentEnd = session.pointee.duplex.upstream.state.phase == .finished
        }
        // The kernel counts a FIN as one byte.
        return hasSentEnd ? max(0, count - 1) : count
    }

    @inline(__always)
    private func endedBy(_ slot: Slot) -> Initiator {
        sessions.pointer(to: slot).pointee.duplex.firstToEnd == .server ? .server : .client
    }

    // MARK: Closing

    /// Closes a connection after both directions have ended or both sides have failed.
    private mutating func close(_ slot: Slot) {
        let session = sessions.pointer(to: slot)
        let initiator = endedBy(slot)
        // After a local failure the peer is still connected and must not see a regular end of data.
        if session.pointee.duplex.hasFailed { return abort(slot, .reset, by: initiator) }
        session.pointee.duplex.close(on: &system, with: &buffers)
        finalize(slot, .ended, by: initiator)
    }

    /// Resets both sides. Undelivered data is discarded and counted.
    mutating func abort(_ slot: Slot, _ reason: CloseReason, by initiator: Initiator) {
        let session = sessions.pointer(to: slot)
        if session.pointee.stage == .relaying || session.pointee.stage == .drainingBeforeReset {
            if session.pointee.duplex.server.failure == nil {
                shared.counters.add(unacknowledged(slot, .server), to: .discardedUpstream)
            }
            if session.pointee.duplex.client.failure == nil {
                shared.counters.add(unacknowledged(slot, .client), to: .discardedDownstream)
            }
        }
        session.pointee.duplex.abort(on: &system, with: &buffers)
        finalize(slot, reason, by: initiator)
    }

    /// Publishes the end of a closed connection and frees its slot.
    private mutating func finalize(_ slot: Slot, _ reason: CloseReason, by initiator: Initiator) {
        timers.cancel(slot)
        ready.remove(slot)
        let session = sessions.pointer(to: slot)
        if session.pointee.stage == .queued { leaveQueue(slot) }
        if !session.pointee.flags.isEmpty { releaseLimits(slot) }
        lacksNothing(slot)
        shared.counters.add(Int(session.pointee.duplex.upstream.discarded), to: .discardedUpstream)
        shared.counters.add(Int(session.pointee.duplex.downstream.discarded), to: .discardedDownstream)
        shared.counters.add(1, to: .closure(reason, initiator))
        shared.listenerMetrics.add(1, to: .closed, of: Int(session.pointee.listener))
        if let records = shared.records { record(slot, reason, by: initiator, in: records) }
        if let server = session.pointee.dial.server {
            shared.serverMetrics.add(1, to: .closure(reason, initiator), of: server.id)
            releaseServer(slot)
        }
        clients.record(session.pointee.figures(lastSeen: now))
        shared.loads.add(-1, to: index)
        let active = shared.connectionLimiter.countClosed()
        releasePermit()
        if shared.connectionLimiter.hasSubscribers {
            reportBytes(slot, mustTell: true)
            write(
                .connectionClosed(
                    id: session.pointee.id,
                    client: session.pointee.client,
                    reason: reason,
                    by: initiator,
                    active: active
                )
            )
        }
        _ = sessions.remove(slot)
        // Two descriptors have become available.
        if pause == .exhausted { resumeAccepting() }
    }
}
