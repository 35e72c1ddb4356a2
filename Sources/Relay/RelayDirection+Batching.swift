public import EventLoop
public import Sockets

// Batched reads of a sustained stream: with SO_RCVLOWAT the poller reports the source only after many bytes have
// arrived, so that one wake-up moves many bytes.

extension RelayDirection {
    /// Whether the poller reports the source only after many bytes have arrived.
    @inlinable var batchesReads: Bool { stream.isBatching }

    /// Records a transfer and starts or stops batching accordingly.
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

    /// Sets SO_RCVLOWAT so that the poller reports the source only after many bytes have arrived.
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

    /// Resets SO_RCVLOWAT so that the poller reports the source from the first byte on. Fewer bytes than a batch may
    /// already have arrived without an event, so the caller must read the source.
    @inlinable
    mutating func stopBatching<S: System & ~Copyable>(_ source: borrowing Endpoint, on system: inout S, at now: Instant)
    {
        stream.endBatching(at: now)
        system.setReceiveLowWater(of: source.descriptor!, to: 1)
    }

    /// Returns the time at which the source must be read without a readiness event, because SO_RCVLOWAT suppresses the
    /// event for small amounts of data; nil if every byte is reported.
    @inlinable
    public func recheckTime(_ batching: borrowing BatchingPolicy) -> Instant? {
        guard stream.isBatching, _state.phase == .open, _state.pending == 0 else { return nil }
        return Instant(nanoseconds: stream.lastTransferAt.nanoseconds &+ batching.delay)
    }

    /// Ends batching if no bytes have moved for the maximum batching delay: the stream has paused or slowed down.
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
