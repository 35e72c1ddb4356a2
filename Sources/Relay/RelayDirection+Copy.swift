public import EventLoop
public import Sockets

// Copied transfers of a direction.

extension RelayDirection {
    /// Receives into the shared buffer and sends the bytes immediately.
    @inlinable
    mutating func copy<S: System & ~Copyable>(
        from source: inout Endpoint,
        to sink: inout Endpoint,
        on system: inout S,
        with buffers: inout RelayBuffers,
        clock: inout TurnClock
    ) {
        switch system.receive(from: source.descriptor!, into: buffers.shared) {
        case .moved(let count):
            let isFull = count == buffers.shared.count
            // Fewer bytes than requested: the queue is empty, and another call would only return EAGAIN.
            if !isFull, !source.readsToTheEnd { source.canReceive = false }
            _state.received(count)
            pass(count, to: &sink, on: &system, with: &buffers)
            guard buffers.engine == .auto, _state.phase == .open else { return }
            noteCopied(count, isFull: isFull)
            if count >= SplicePolicy.streamFrom {
                noteStream(count, from: &source, on: &system, with: buffers, clock: &clock)
            }
        case .wouldBlock:
            source.canReceive = false
        case .ended:
            sourceEnded(source)
        case .failed(let error):
            source.failure = error
            _state.sourceFailed()
        }
    }

    /// Decides by the size of a copied transfer whether the next one is spliced. A full buffer means that there are
    /// more bytes.
    @inlinable
    mutating func noteCopied(_ count: Int, isFull: Bool) {
        guard !isSplicing else { return }
        score = count >= SplicePolicy.spliceFrom ? score + 1 : 0
        guard isFull || score >= SplicePolicy.transfersToSplice else { return }
        isSplicing = true
        score = 0
    }

    /// Sends the bytes just received, and keeps those that the sink does not accept.
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
            sinkFailed(on: &system, with: &buffers)
            return
        case .wouldBlock, .ended:
            break
        }
        _transferred &+= UInt64(taken)
        _state.sent(taken)
        if taken < count {
            sink.canSend = false
            guard keep(UnsafeRawBufferPointer(rebasing: bytes[taken...]), on: &system, with: &buffers) else {
                // The bytes cannot be stored, so the connection cannot continue: as after a send that failed for lack of
                // memory.
                sink.failure = .outOfMemory
                return sinkFailed(on: &system, with: &buffers)
            }
        }
    }

    @inlinable
    mutating func sendChunk<S: System & ~Copyable>(
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
            if sent < count { sink.canSend = false } else { releaseChunk(with: &buffers) }
        case .wouldBlock, .ended:
            sink.canSend = false
        case .failed(let error):
            sink.failure = error
            sinkFailed(on: &system, with: &buffers)
        }
    }

    /// Stores bytes that the sink did not accept in a chunk.
    ///
    /// - Returns: False if the system is out of memory.
    @inlinable
    mutating func keep<S: System & ~Copyable>(
        _ bytes: UnsafeRawBufferPointer,
        on system: inout S,
        with buffers: inout RelayBuffers
    ) -> Bool {
        guard let chunk = buffers.chunks.take(on: &system) else { return false }
        chunk.copyMemory(from: bytes.baseAddress!, byteCount: bytes.count)
        self.chunk = chunk
        offset = 0
        return true
    }

    @inlinable
    mutating func releaseChunk(with buffers: inout RelayBuffers) {
        guard let chunk else { return }
        buffers.chunks.release(chunk)
        self.chunk = nil
    }
}
