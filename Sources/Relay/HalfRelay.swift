public import Sockets

/// One direction of a relay: from a source endpoint to a sink endpoint.
///
/// Drives its ``HalfState`` by readiness and by copying. What the sink does not take at once waits in a chunk of its own;
/// a half with nothing pending holds no memory.
public struct HalfRelay: ~Copyable {
    @inlinable public var state: HalfState { _state }
    @usableFromInline var _state: HalfState = HalfState()
    /// Bytes that the sink's kernel has taken.
    @inlinable public var transferred: UInt64 { _transferred }
    @usableFromInline var _transferred: UInt64 = 0
    /// Bytes received that could not be passed on, since the sink was gone.
    @inlinable public var discarded: UInt32 { _discarded }
    @usableFromInline var _discarded: UInt32 = 0
    /// Where the first pending byte is in the chunk.
    @usableFromInline var offset: Int32 = 0
    /// Holds the pending bytes; nil if there are none.
    @usableFromInline var chunk: UnsafeMutableRawPointer?

    /// How often a half may receive before others get their turn.
    @inlinable public static var receivesPerTurn: Int { 4 }

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
                if receives == Self.receivesPerTurn { return true }
                receives += 1
                receive(from: &source, to: &sink, on: &system, with: &buffers)
            case .send:
                sendPending(to: &sink, on: &system, with: &buffers)
            case .finish:
                finish(&sink, on: &system)
            case .wait:
                return false
            }
        }
    }

    /// The sink is gone: gives up what is pending.
    @inlinable
    public mutating func abandon(with buffers: inout RelayBuffers) {
        guard _state.phase != .abandoned else { return }
        discard(_state.sinkFailed(), with: &buffers)
    }

    @inlinable
    mutating func receive<S: System & ~Copyable>(
        from source: inout Endpoint,
        to sink: inout Endpoint,
        on system: inout S,
        with buffers: inout RelayBuffers
    ) {
        switch system.receive(from: source.descriptor!, into: buffers.shared) {
        case .moved(let count):
            // Less than asked for: the queue is empty, and another call would only say so.
            if count < buffers.shared.count, !source.readsToTheEnd { source.canReceive = false }
            _state.received(count)
            pass(count, to: &sink, on: &system, with: &buffers)
        case .wouldBlock:
            source.canReceive = false
        case .ended:
            // After a reset the error may have been told already, to a send or to the poller; then this is no FIN.
            if source.failure == nil { _state.sourceEnded() } else { _state.sourceFailed() }
        case .failed(let error):
            source.failure = error
            _state.sourceFailed()
        }
    }

    /// Sends what was just received straight on, and keeps what the sink does not take.
    @inlinable
    mutating func pass<S: System & ~Copyable>(
        _ count: Int,
        to sink: inout Endpoint,
        on system: inout S,
        with buffers: inout RelayBuffers
    ) {
        let bytes = UnsafeRawBufferPointer(rebasing: buffers.shared[..<count])
        var taken = 0
        switch system.send(bytes, to: sink.descriptor!) {
        case .moved(let sent):
            taken = sent
        case .failed(let error):
            sink.failure = error
            discard(_state.sinkFailed(), with: &buffers)
            return
        case .wouldBlock, .ended:
            break
        }
        _transferred &+= UInt64(taken)
        _state.sent(taken)
        if taken < count {
            sink.canSend = false
            keep(UnsafeRawBufferPointer(rebasing: bytes[taken...]), in: &buffers)
        }
    }

    @inlinable
    mutating func sendPending<S: System & ~Copyable>(
        to sink: inout Endpoint,
        on system: inout S,
        with buffers: inout RelayBuffers
    ) {
        let count = Int(_state.pending)
        let bytes = UnsafeRawBufferPointer(start: chunk! + Int(offset), count: count)
        switch system.send(bytes, to: sink.descriptor!) {
        case .moved(let sent):
            _transferred &+= UInt64(sent)
            _state.sent(sent)
            offset += Int32(truncatingIfNeeded: sent)
            if sent < count { sink.canSend = false } else { release(with: &buffers) }
        case .wouldBlock, .ended:
            sink.canSend = false
        case .failed(let error):
            sink.failure = error
            discard(_state.sinkFailed(), with: &buffers)
        }
    }

    @inlinable
    mutating func finish<S: System & ~Copyable>(_ sink: inout Endpoint, on system: inout S) {
        // Where this fails the sink has been reset, and the poller says so next.
        _ = system.endSending(on: sink.descriptor!)
        _state.finishSent()
    }

    @inlinable
    mutating func keep(_ bytes: UnsafeRawBufferPointer, in buffers: inout RelayBuffers) {
        let chunk = buffers.chunks.take()
        chunk.copyMemory(from: bytes.baseAddress!, byteCount: bytes.count)
        self.chunk = chunk
        offset = 0
    }

    @inlinable
    mutating func discard(_ count: Int, with buffers: inout RelayBuffers) {
        _discarded &+= UInt32(truncatingIfNeeded: count)
        release(with: &buffers)
    }

    @inlinable
    mutating func release(with buffers: inout RelayBuffers) {
        guard let chunk else { return }
        buffers.chunks.giveBack(chunk)
        self.chunk = nil
    }
}
