public import EventLoop
public import Sockets

// Spliced transfers of a direction: splice(2) moves bytes from a socket to a pipe and from the pipe to a socket without
// passing them through user space.

extension RelayDirection {
    /// Moves the source's bytes into one of the worker's pipes, and immediately on to the sink.
    ///
    /// The pipe is borrowed for this one transfer, and returned when the sink has accepted all bytes. A direction keeps
    /// its pipe only if the sink has not.
    ///
    /// - Returns: False if the bytes must be copied instead.
    @inlinable
    mutating func splice<S: System & ~Copyable>(
        from source: inout Endpoint,
        to sink: inout Endpoint,
        on system: inout S,
        with buffers: inout RelayBuffers,
        clock: inout TurnClock
    ) -> Bool {
        let isRationed = buffers.pipes.isStallQuotaUsed
        guard let pipe = buffers.pipes.take(on: &system) else { return false }
        // A direction that stalls now could not keep its pipe, so it receives no more than its sink has room for.
        let window =
            isRationed
            ? max(buffers.chunks.chunkSize, min(SplicePolicy.window, system.availableSendBuffer(of: sink.descriptor!)))
            : SplicePolicy.window
        switch system.splice(from: source.descriptor!, to: pipe.input, atMost: window) {
        case .moved(let count):
            // Each slot holds at least one byte, so fewer bytes than slots leave a slot free.
            let mayHaveFilledPipe = count >= pipe.capacity / SplicePolicy.bytesPerSlot
            _state.received(count)
            self.pipe = consume pipe
            sendPipe(to: &sink, on: &system, with: &buffers)
            guard _state.phase == .open else { return true }
            // If fewer bytes were moved than requested, the source is empty or the pipe was full. A direction that
            // batches finds out at the next event or recheck.
            if count < window, !source.readsToTheEnd,
                stream.isBatching || !mayHaveFilledPipe || system.unreadBytes(on: source.descriptor!) == 0
            {
                source.canReceive = false
            }
            if buffers.engine == .auto {
                noteSpliced(count)
                noteStream(count, from: &source, on: &system, with: buffers, clock: &clock)
            }
            return true
        case .wouldBlock:
            buffers.pipes.release(pipe, on: &system)
            if source.readsToTheEnd, isAtUrgentMark(source, on: &system) { return false }
            // The pipe is empty, so the source has no data.
            source.canReceive = false
        case .ended:
            buffers.pipes.release(pipe, on: &system)
            if isAtUrgentMark(source, on: &system) { return false }
            sourceEnded(source)
        case .failed(let error):
            buffers.pipes.release(pipe, on: &system)
            if error == .invalidArgument {
                isSplicing = false
                return false
            }
            source.failure = error
            if isAtUrgentMark(source, on: &system) { return false }
            _state.sourceFailed()
        }
        return true
    }

    /// Returns whether the source has bytes that splice(2) does not move: it stops at an urgent mark and reports no
    /// data, or the EOF or error that follows the bytes. The bytes are then copied, because recv(2) passes the mark.
    @inlinable
    mutating func isAtUrgentMark<S: System & ~Copyable>(_ source: borrowing Endpoint, on system: inout S) -> Bool {
        guard system.unreadBytes(on: source.descriptor!) > 0 else { return false }
        isSplicing = false
        score = 0
        return true
    }

    /// Decides by the size of a spliced transfer whether the next one is copied.
    @inlinable
    mutating func noteSpliced(_ count: Int) {
        score = count < SplicePolicy.copyBelow ? score + 1 : 0
        guard score >= SplicePolicy.transfersToCopy else { return }
        isSplicing = false
        score = 0
    }

    /// Sends the bytes in the pipe, and returns the pipe once it is empty.
    @inlinable
    mutating func sendPipe<S: System & ~Copyable>(
        to sink: inout Endpoint,
        on system: inout S,
        with buffers: inout RelayBuffers
    ) {
        let count = Int(_state.pending)
        switch system.splice(from: pipe!.output, to: sink.descriptor!, atMost: count) {
        case .moved(let sent):
            _transferred &+= UInt64(sent)
            _spliced &+= UInt64(sent)
            _state.sent(sent)
            if sent == count {
                if let pipe = pipe.take() { buffers.pipes.release(pipe, on: &system) }
            } else {
                // The sink's buffer is full: another call would only return EAGAIN.
                sink.canSend = false
                keepPending(on: &system, with: &buffers)
            }
        case .wouldBlock, .ended:
            sink.canSend = false
            keepPending(on: &system, with: &buffers)
        case .failed(let error):
            sink.failure = error
            sinkFailed(on: &system, with: &buffers)
        }
    }

    /// Handles a sink that accepts no more bytes. A small amount of pending bytes is moved to a chunk, so that the pipe
    /// is free for other directions; a larger amount stays in the pipe.
    @inlinable
    mutating func keepPending<S: System & ~Copyable>(on system: inout S, with buffers: inout RelayBuffers) {
        let count = Int(_state.pending)
        guard count <= buffers.chunks.chunkSize, buffers.engine == .auto else { return }
        // Without memory for a chunk, the bytes stay in the pipe.
        guard let chunk = buffers.chunks.take(on: &system) else { return }
        var moved = 0
        while moved < count {
            let rest = UnsafeMutableRawBufferPointer(start: chunk + moved, count: count - moved)
            guard case .moved(let read) = system.read(from: pipe!.output, into: rest) else {
                preconditionFailure("cannot read the \(count - moved) bytes in a pipe")
            }
            moved += read
        }
        self.chunk = chunk
        offset = 0
        if let pipe = pipe.take() { buffers.pipes.release(pipe, on: &system) }
    }
}
