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
            if shared.subscriptions.hasSubscribers { reportBytes(slot, isFinal: false) }
        }
        switch outcome {
        case .waiting where hasBandwidthLimit:
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

    /// Returns the listener that accepted a connection, which holds its settings.
    @inline(__always)
    func settings(of slot: Slot) -> UnsafeMutablePointer<Listener> {
        listeners.pointer(to: Int(sessions.pointer(to: slot).pointee.listener))
    }
}
