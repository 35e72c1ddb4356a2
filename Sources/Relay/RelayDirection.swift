public import EventLoop
public import Sockets

/// One direction of a relay: from a source endpoint to a sink endpoint.
///
/// Drives its ``RelayDirectionState`` by readiness. It copies small messages through the worker's buffer, and splices larger ones
/// through one of the worker's pipes. Bytes that the sink does not accept immediately wait in a chunk, or in the pipe,
/// which the direction then keeps. A direction without pending bytes holds neither.
public struct RelayDirection: ~Copyable {
    @inlinable public var state: RelayDirectionState { _state }
    /// The number of bytes accepted by the sink's kernel.
    @inlinable public var transferred: UInt64 { _transferred }
    /// The number of these bytes that never were in user space.
    @inlinable public var spliced: UInt64 { _spliced }
    /// The number of bytes received that could not be delivered because the sink had failed.
    @inlinable public var discarded: UInt32 { _discarded }

    @usableFromInline var _state = RelayDirectionState()
    @usableFromInline var _transferred: UInt64 = 0
    @usableFromInline var _spliced: UInt64 = 0
    @usableFromInline var _discarded: UInt32 = 0
    /// The offset of the first pending byte in the chunk.
    @usableFromInline var offset: Int32 = 0
    /// The pending bytes of a copied transfer; nil if there are none.
    @usableFromInline var chunk: UnsafeMutableRawPointer?
    /// The pipe with the pending bytes of a spliced transfer; nil if there are none.
    @usableFromInline var pipe: Pipe?
    /// Whether the next transfer is spliced.
    @usableFromInline var isSplicing = false
    /// The number of consecutive transfers whose size counts toward the other engine.
    @usableFromInline var score: UInt8 = 0
    @usableFromInline var stream = SustainedStream()

    /// The maximum number of copies per turn, so that other connections are served.
    @inlinable public static var copiesPerTurn: Int { 4 }

    @inlinable
    public init() {}

    /// Starts with bytes that have already been received and are pending.
    ///
    /// - Parameters:
    ///   - chunk: A chunk of the pool that holds the bytes; the direction takes ownership.
    ///   - offset: The offset of the first byte.
    ///   - count: The number of bytes, at least 1.
    @inlinable
    public mutating func begin(with chunk: UnsafeMutableRawPointer, offset: Int, count: Int) {
        _state.received(count)
        self.chunk = chunk
        self.offset = Int32(truncatingIfNeeded: offset)
    }

    /// Moves the bytes that can be moved now.
    ///
    /// - Parameters:
    ///   - closesNext: Whether the other direction has finished. Both sockets are closed when this direction finishes,
    ///     so the close replaces the half-close.
    ///   - clock: The time of this turn.
    /// - Returns: True if there may be more to move: the direction needs another turn after the other connections.
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
                    // One splice in and one out per turn: bytes that arrive before the next turn are moved together.
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

    /// Discards the pending bytes, because the sink is gone.
    @inlinable
    public mutating func abandon<S: System & ~Copyable>(on system: inout S, with buffers: inout RelayBuffers) {
        if _state.phase != .abandoned { sinkFailed(on: &system, with: &buffers) }
    }

    @inlinable
    mutating func finish<S: System & ~Copyable>(_ sink: inout Endpoint, on system: inout S) {
        // If this fails, the sink has been reset; the poller reports that next.
        _ = system.endSending(on: sink.descriptor!)
        _state.finishSent()
    }

    /// Records the EOF of the source.
    @inlinable
    mutating func sourceEnded(_ source: borrowing Endpoint) {
        // After a reset the error may already have been reported by a send or by the poller; then this is not a FIN.
        if source.failure == nil { _state.sourceEnded() } else { _state.sourceFailed() }
    }

    @inlinable
    mutating func sinkFailed<S: System & ~Copyable>(on system: inout S, with buffers: inout RelayBuffers) {
        _discarded &+= UInt32(truncatingIfNeeded: _state.sinkFailed())
        releaseChunk(with: &buffers)
        if let pipe = pipe.take() { buffers.pipes.discard(pipe, on: &system) }
    }
}
