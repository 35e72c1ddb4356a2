public import Sockets
public import Workers

/// One direction of a relay: from a source endpoint to a sink endpoint.
///
/// Drives its ``HalfState`` by readiness. It copies small messages through the worker's buffer, and splices larger ones
/// through one of the worker's pipes. What the sink does not take immediately waits in a chunk, or in the pipe, which the
/// direction then keeps. A direction with nothing pending holds neither.
public struct HalfRelay: ~Copyable {
    @inlinable public var state: HalfState { _state }
    /// Bytes that the sink's kernel has taken.
    @inlinable public var transferred: UInt64 { _transferred }
    /// Of these, bytes that never were in user space.
    @inlinable public var spliced: UInt64 { _spliced }
    /// Bytes received that could not be passed on, since the sink was gone.
    @inlinable public var discarded: UInt32 { _discarded }

    @usableFromInline var _state = HalfState()
    @usableFromInline var _transferred: UInt64 = 0
    @usableFromInline var _spliced: UInt64 = 0
    @usableFromInline var _discarded: UInt32 = 0
    /// Where the first pending byte is in the chunk.
    @usableFromInline var offset: Int32 = 0
    /// Holds the pending bytes of a transfer that was copied; nil if there are none.
    @usableFromInline var chunk: UnsafeMutableRawPointer?
    /// Holds the pending bytes of a transfer that was spliced; nil if there are none.
    @usableFromInline var pipe: Pipe?
    /// Whether the next transfer is spliced.
    @usableFromInline var isSplicing = false
    /// Consecutive transfers whose size speaks for the other engine.
    @usableFromInline var score: UInt8 = 0
    @usableFromInline var stream = SustainedStream()

    /// How often a half may copy before others get their turn.
    @inlinable public static var copiesPerTurn: Int { 4 }

    @inlinable
    public init() {}

    /// Starts with bytes that have come already, and are pending.
    ///
    /// - Parameters:
    ///   - chunk: holds them, and is the half's from here on; one of the pool's.
    ///   - offset: where the first is.
    ///   - count: how many there are, one at least.
    @inlinable
    public mutating func begin(with chunk: UnsafeMutableRawPointer, offset: Int, count: Int) {
        _state.received(count)
        self.chunk = chunk
        self.offset = Int32(truncatingIfNeeded: offset)
    }

    /// Moves what can be moved now.
    ///
    /// - Parameters:
    ///   - closesNext: the other half has ended, so with the end of this one both sockets are closed, and that is what
    ///     passes the end on.
    ///   - clock: the time of this turn.
    /// - Returns: true if there may be more to move: the half wants another turn after the others had theirs.
    @inlinable
    public mutating func turn<S: System & ~Copyable>(
        from source: inout Endpoint,
        to sink: inout Endpoint,
        on system: inout S,
        with buffers: inout RelayBuffers,
        closesNext: Bool = false,
        clock: inout TurnClock
    ) -> Bool {
        var transfers = 0
        while true {
            switch _state.next(canReceive: source.canReceive, canSend: sink.canSend) {
            case .receive:
                if transfers >= Self.copiesPerTurn { return true }
                if isSplicing || buffers.engine == .splice,
                    splice(from: &source, to: &sink, on: &system, with: &buffers, clock: &clock)
                {
                    // One splice in and one out for a turn: what arrives until the next turn is moved together.
                    transfers = Self.copiesPerTurn
                } else {
                    transfers += 1
                    copy(from: &source, to: &sink, on: &system, with: &buffers, clock: &clock)
                }
            case .send:
                if pipe == nil {
                    sendChunk(to: &sink, on: &system, with: &buffers)
                } else {
                    sendPipe(to: &sink, on: &system, with: &buffers)
                }
            case .finish:
                if closesNext { _state.finishSent() } else { finish(&sink, on: &system) }
            case .wait:
                return false
            }
        }
    }

    /// The sink is gone: gives up what is pending.
    @inlinable
    public mutating func abandon<S: System & ~Copyable>(on system: inout S, with buffers: inout RelayBuffers) {
        if _state.phase != .abandoned { sinkFailed(on: &system, with: &buffers) }
    }

    @inlinable
    mutating func finish<S: System & ~Copyable>(_ sink: inout Endpoint, on system: inout S) {
        // Where this fails the sink has been reset, and the poller says so next.
        _ = system.endSending(on: sink.descriptor!)
        _state.finishSent()
    }

    /// The source says that there will be no more.
    @inlinable
    mutating func sourceEnded(_ source: borrowing Endpoint) {
        // After a reset the error may have been told already, to a send or to the poller; then this is no FIN.
        if source.failure == nil { _state.sourceEnded() } else { _state.sourceFailed() }
    }

    @inlinable
    mutating func sinkFailed<S: System & ~Copyable>(on system: inout S, with buffers: inout RelayBuffers) {
        _discarded &+= UInt32(truncatingIfNeeded: _state.sinkFailed())
        releaseChunk(with: &buffers)
        if let pipe = pipe.take() { buffers.pipes.discard(pipe, on: &system) }
    }
}
