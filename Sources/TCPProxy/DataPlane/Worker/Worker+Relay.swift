import EventLoop
import Relay
import Sockets

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
        let isRestricted = !session.pointee.flags.isDisjoint(with: .isRestricted)
        let outcome =
            isRestricted
            ? relayRestricted(slot) : session.pointee.duplex.turn(on: &system, with: &buffers, clock: &clock)
        let upstream = Int(session.pointee.duplex.upstream.transferred &- upstreamBefore)
        let downstream = Int(session.pointee.duplex.downstream.transferred &- downstreamBefore)
        if upstream > 0 { countUpstream(upstream, slot) }
        if downstream > 0 {
            countDownstream(downstream, slot)
            if downstreamBefore == 0 {
                noteFirstByte(slot)
                noteFirstByteLatency(slot)
            }
        } else if upstream > 0, downstreamBefore == 0 {
            session.pointee.dial.startedAt = now
        }
        let splicedUpstream = Int(session.pointee.duplex.upstream.spliced &- splicedUpstreamBefore)
        let splicedDownstream = Int(session.pointee.duplex.downstream.spliced &- splicedDownstreamBefore)
        if splicedUpstream > 0 { shared.counters.add(splicedUpstream, to: .splicedUpstream) }
        if splicedDownstream > 0 { shared.counters.add(splicedDownstream, to: .splicedDownstream) }
        // The half-close timeout starts when the first direction ends.
        let isHalfClosed = session.pointee.isHalfClosed
        let becameHalfClosed = isHalfClosed && !wasHalfClosed
        if becameHalfClosed { session.pointee.lastActivity = now }
        if upstream + downstream > 0 {
            let isTracked = session.pointee.flags.contains(.tracksActivity)
            if isTracked || wasHalfClosed || session.pointee.stage == .drainingBeforeReset {
                session.pointee.lastActivity = now
            }
            if shared.subscriptions.hasSubscribers { reportBytes(slot, isFinal: false) }
        }
        if isHalfClosed {
            if session.pointee.dial.hasPermit { releaseFinishedServer(slot) }
            if closeHalfClosed(slot, outcome) { return }
        }
        switch outcome {
        case .waiting where isRestricted && session.pointee.flags.contains(.hasBandwidthLimit):
            scheduleBandwidthTurn(slot)
        case .waiting:
            if becameHalfClosed || session.pointee.duplex.batchesReads { setTimer(slot) }
        case .moreToMove:
            if becameHalfClosed { setTimer(slot) }
            ready.append(slot)
        case .over:
            close(slot)
        case .failed(_, let delivered):
            drainBeforeReset(slot, isDelivered: delivered)
        }
    }

    /// Records the time from the last bytes for the server, or from the connection, to its first byte.
    @inline(__always)
    private mutating func noteFirstByteLatency(_ slot: Slot) {
        guard pools.pointer(to: pool(of: slot)).pointee.latency == .firstByte else { return }
        let latency = sinceAttempt(slot)
        sessions.pointer(to: slot).pointee.dial.server!.noteLatency(latency, now: Int(now.nanoseconds))
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

    /// Publishes the counters of pipes and chunks, and schedules the closing of unused pipes.
    mutating func publishBufferCounters() {
        if buffers.chunks.refusals > 0 {
            shared.counters.add(buffers.chunks.takeRefusals(), to: .memoryAllocationFailures)
        }
        if buffers.pipes.hasSpares, !timers.isScheduled(pipeTimer) {
            timers.schedule(pipeTimer, at: now + WorkerSettings.idlePipeTimeout)
        }
        let pipes = shared.counters[.pipesInUse]
        let refusals = shared.counters[.pipeAllocationFailures]
        guard buffers.pipes.inUse != pipes || buffers.pipes.refusals != refusals else { return }
        shared.counters.add(buffers.pipes.inUse - pipes, to: .pipesInUse)
        shared.counters.add(buffers.pipes.refusals - refusals, to: .pipeAllocationFailures)
    }

    /// Returns the listener that accepted a connection, which holds its settings.
    @inline(__always)
    func settings(of slot: Slot) -> UnsafeMutablePointer<Listener> {
        listeners.pointer(to: Int(sessions.pointer(to: slot).pointee.listener))
    }
}
