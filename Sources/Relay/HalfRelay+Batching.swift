public import Sockets
public import Workers

// How a half batches the reads of a sustained stream: with SO_RCVLOWAT the poller reports the source only when much has
// arrived, so that one wake-up moves much.

extension HalfRelay {
    /// Whether the poller reports the source only when much has arrived.
    @inlinable var batchesReads: Bool { stream.isBatching }

    /// Decides by a transfer whether reads are batched from now on.
    @inlinable
    mutating func noteStream<S: System & ~Copyable>(
        _ count: Int,
        from source: inout Endpoint,
        on system: inout S,
        with buffers: borrowing RelayBuffers,
        clock: inout TurnClock
    ) {
        let now = clock.now(on: &system)
        guard stream.moved(count, at: now, buffers.batching) != stream.isBatching else { return }
        if stream.isBatching {
            stopBatching(source, on: &system, at: now)
            source.canReceive = true
        } else {
            startBatching(source, on: &system, with: buffers)
        }
    }

    /// Has the poller report the source only when much has arrived.
    @inlinable
    mutating func startBatching<S: System & ~Copyable>(
        _ source: borrowing Endpoint,
        on system: inout S,
        with buffers: borrowing RelayBuffers
    ) {
        let size = stream.batchSize(buffers.batching)
        guard size > 0 else { return }
        stream.isBatching = true
        system.setReceiveLowWater(of: source.descriptor!, to: size)
    }

    /// Has the poller report the source with the first byte. Fewer bytes than a batch may have arrived without an event.
    @inlinable
    mutating func stopBatching<S: System & ~Copyable>(_ source: borrowing Endpoint, on system: inout S, at now: Instant)
    {
        stream.endBatching(at: now)
        system.setReceiveLowWater(of: source.descriptor!, to: 1)
    }

    /// When the source has to be read without a readiness event, since SO_RCVLOWAT suppresses the event for what little has
    /// arrived; nil if each byte is reported.
    @inlinable
    public func recheckTime(_ batching: borrowing BatchingPolicy) -> Instant? {
        guard stream.isBatching, _state.phase == .open, _state.pending == 0 else { return nil }
        return Instant(nanoseconds: stream.lastTransferAt.nanoseconds &+ batching.delay)
    }

    /// Ends batching if nothing has moved for the time that it may delay bytes: the stream has paused, or become slow.
    @inlinable
    mutating func recheck<S: System & ~Copyable>(
        _ source: inout Endpoint,
        on system: inout S,
        with buffers: borrowing RelayBuffers,
        at now: Instant
    ) {
        guard let time = recheckTime(buffers.batching), time <= now else { return }
        stopBatching(source, on: &system, at: now)
        source.canReceive = true
    }
}
