public import Sockets

/// One direction of a relay: from a source endpoint to a sink endpoint.
///
/// Drives its ``HalfState`` by readiness. It copies, through the worker's one buffer, or while it is in bulk it splices,
/// through a pipe of its own. What the sink does not take at once waits in a chunk, or in the pipe; a half with nothing
/// pending holds no memory.
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
    /// Holds the pending bytes of a half that copies; nil if there are none.
    @usableFromInline var chunk: UnsafeMutableRawPointer?
    /// Holds the pending bytes of a half that splices; a half splices as long as it has one.
    @usableFromInline var pipe: Pipe?
    /// Full reads in a row while it copies; signs that bulk is over while it splices.
    @usableFromInline var signs: UInt8 = 0
    /// How soon it must look when it has passed on all that it has; while it copies, never.
    @usableFromInline var attention: Look = .never
    /// Whether the pool counts its pipe as stalled.
    @usableFromInline var isStalled = false

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
    /// - Parameter closesNext: the other half has ended, so with the end of this one both sockets are closed, and that is
    ///   what passes the end on.
    /// - Returns: true if there may be more to move at once: the half wants another turn after the others had theirs.
    @inlinable
    public mutating func turn<S: System & ~Copyable>(
        from source: inout Endpoint,
        to sink: inout Endpoint,
        on system: inout S,
        with buffers: inout RelayBuffers,
        closesNext: Bool = false
    ) -> Bool {
        var receives = 0
        while true {
            switch _state.next(canReceive: source.canReceive, canSend: sink.canSend) {
            case .receive:
                if pipe == nil {
                    if receives >= Self.copiesPerTurn { return true }
                    receives += 1
                    copy(from: &source, to: &sink, on: &system, with: &buffers)
                } else {
                    // One splice in and one out for a wake-up: what comes meanwhile is worth more together later.
                    if receives > 0 { return true }
                    receives += 1
                    splice(from: &source, to: &sink, on: &system, with: &buffers)
                }
            case .send:
                if pipe == nil {
                    sendChunk(to: &sink, on: &system, with: &buffers)
                } else {
                    sendPipe(from: &source, to: &sink, on: &system, with: &buffers)
                }
            case .finish:
                if closesNext { _state.finishSent() } else { finish(&sink, on: &system) }
            case .wait:
                if pipe != nil, _state.isSettled { stopSplicing(&source, on: &system, with: &buffers) }
                return false
            }
        }
    }

    /// The sink is gone: gives up what is pending.
    @inlinable
    public mutating func abandon<S: System & ~Copyable>(on system: inout S, with buffers: inout RelayBuffers) {
        if _state.phase != .abandoned { sinkFailed(on: &system, with: &buffers) }
    }

    /// How soon a half must look what its source has, though the poller has not reported anything.
    public enum Look: UInt8, Sendable {
        /// Not at all: all that there is to know is reported.
        case never
        /// When the source has been silent for a while, to give its pipe back.
        case atRest
        /// Soon: the poller reports a source only when much has come, so that one wake-up moves much, and the last bytes of a
        /// burst may be few.
        case soon
    }

    @inlinable
    public var look: Look {
        _state.phase == .open && _state.pending == 0 ? attention : .never
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
        noteStall(false, with: &buffers)
        if let pipe = pipe.take() { buffers.pipes.discard(pipe, on: &system) }
    }
}
