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
    /// Whether the pool counts its pipe as stalled.
    @usableFromInline var isStalled = false

    /// How often a half may copy before others get their turn.
    @inlinable public static var copiesPerTurn: Int { 4 }

    @inlinable
    public init() {}

    /// Moves what can be moved now.
    ///
    /// - Returns: true if there may be more to move at once: the half wants another turn after the others had theirs.
    @inlinable
    public mutating func turn<S: System & ~Copyable>(
        from source: inout Endpoint,
        to sink: inout Endpoint,
        on system: inout S,
        with buffers: inout RelayBuffers
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
                finish(&sink, on: &system)
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

    /// Whether it waits for its source to have much to say, and so must look by itself now and then.
    ///
    /// The poller reports a source in bulk only when much has come, so that one wake-up moves much. The last bytes of a
    /// burst may be few.
    @inlinable
    public var gathers: Bool {
        pipe != nil && _state.phase == .open && _state.pending == 0
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
