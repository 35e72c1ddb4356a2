public import Sockets

// How a half splices: splice(2) moves bytes from socket to pipe and from pipe to socket without their passing through
// user space. It pays only for much at once, so a half in bulk lets bytes gather in its source's queue.

extension HalfRelay {
    /// - Returns: false if there is no pipe to be had: then the half goes on copying.
    @inlinable
    mutating func startSplicing<S: System & ~Copyable>(
        _ source: inout Endpoint,
        on system: inout S,
        with buffers: inout RelayBuffers
    ) -> Bool {
        guard buffers.engine != .copy, let pipe = buffers.pipes.take(on: &system) else { return false }
        self.pipe = consume pipe
        signs = 0
        if buffers.engine == .auto { gather(source, on: &system) }
        return true
    }

    /// Has the poller report the source only when much has come.
    @inlinable
    mutating func gather<S: System & ~Copyable>(_ source: borrowing Endpoint, on system: inout S) {
        if attention != .soon { system.setReceiveLowWater(of: source.descriptor!, to: Bulk.lowWater) }
        attention = .soon
    }

    /// Has the poller report the source with the first byte.
    @inlinable
    mutating func stopGathering<S: System & ~Copyable>(_ source: borrowing Endpoint, on system: inout S) {
        if attention == .soon { system.setReceiveLowWater(of: source.descriptor!, to: 1) }
        attention = .atRest
    }

    /// Gives the empty pipe back and copies from now on.
    @inlinable
    mutating func stopSplicing<S: System & ~Copyable>(
        _ source: inout Endpoint,
        on system: inout S,
        with buffers: inout RelayBuffers
    ) {
        guard let pipe = pipe.take() else { return }
        noteStall(false, with: &buffers)
        buffers.pipes.giveBack(pipe, on: &system)
        signs = 0
        defer { attention = .never }
        guard source.descriptor != nil, _state.phase == .open else { return }
        stopGathering(source, on: &system)
        // Bytes below the mark may be waiting that nobody has reported.
        source.canReceive = true
    }

    /// Takes what has gathered into the pipe.
    @inlinable
    mutating func splice<S: System & ~Copyable>(
        from source: inout Endpoint,
        to sink: inout Endpoint,
        on system: inout S,
        with buffers: inout RelayBuffers
    ) {
        if signs >= Bulk.patience, buffers.engine == .auto {
            return stopSplicing(&source, on: &system, with: &buffers)
        }
        var window = Bulk.window
        if buffers.pipes.isStallQuotaUsed {
            // One that stalls now could not keep its pipe; so it takes in no more than its sink has room for.
            window = max(buffers.chunks.chunkSize, min(window, system.sendRoom(of: sink.descriptor!)))
        }
        switch system.splice(from: source.descriptor!, to: pipe!.input, atMost: window) {
        case .moved(let count):
            _state.received(count)
            note(count)
            guard buffers.engine == .auto else { return }
            // Where much comes in one go without our waiting for it, there is nothing to gain by that.
            if count < Bulk.large { gather(source, on: &system) }
            // Short of the window the queue is empty, or the pipe is full, by bytes or by packets: a look soon finds out.
            if count < window, attention == .soon, !source.readsToTheEnd { source.canReceive = false }
        case .wouldBlock:
            // At an urgent mark there is something, which splice(2) does not pass.
            if source.readsToTheEnd { return stopSplicing(&source, on: &system, with: &buffers) }
            // The pipe is empty, so it is the source that has nothing.
            source.canReceive = false
            guard buffers.engine == .auto else { return }
            signs = min(signs + Bulk.nothing, Bulk.patience)
            if signs >= Bulk.patience { return stopSplicing(&source, on: &system, with: &buffers) }
            // What comes next after a silence should not have to wait for the next look.
            stopGathering(source, on: &system)
        case .ended:
            sourceEnded(source)
        case .failed(let error):
            if error == .invalidArgument { return stopSplicing(&source, on: &system, with: &buffers) }
            source.failure = error
            _state.sourceFailed()
        }
    }

    /// Passes on what is in the pipe.
    @inlinable
    mutating func sendPipe<S: System & ~Copyable>(
        from source: inout Endpoint,
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
            if sent == count { noteStall(false, with: &buffers) }
        case .wouldBlock, .ended:
            sink.canSend = false
            stalled(&source, on: &system, with: &buffers)
        case .failed(let error):
            sink.failure = error
            sinkFailed(on: &system, with: &buffers)
        }
    }

    /// Judges by a transfer's size whether this is bulk still.
    @inlinable
    mutating func note(_ count: Int) {
        if count >= Bulk.large {
            signs = 0
        } else if count < Bulk.small {
            signs = min(signs + 1, Bulk.patience)
        }
    }

    /// The sink takes no more. What little is in the pipe goes into a chunk, so that the pipe is free for others; much
    /// keeps it, and the pool counts it, for slow readers may hold a share of the pipes only.
    @inlinable
    mutating func stalled<S: System & ~Copyable>(
        _ source: inout Endpoint,
        on system: inout S,
        with buffers: inout RelayBuffers
    ) {
        let count = Int(_state.pending)
        guard count <= buffers.chunks.chunkSize, buffers.engine == .auto else {
            return noteStall(true, with: &buffers)
        }
        let chunk = buffers.chunks.take()
        var moved = 0
        while moved < count {
            let rest = UnsafeMutableRawBufferPointer(start: chunk + moved, count: count - moved)
            guard case .moved(let read) = system.read(from: pipe!.output, into: rest) else {
                preconditionFailure("a pipe with \(count - moved) bytes in it would not give them")
            }
            moved += read
        }
        self.chunk = chunk
        offset = 0
        stopSplicing(&source, on: &system, with: &buffers)
    }

    @inlinable
    mutating func noteStall(_ isStalled: Bool, with buffers: inout RelayBuffers) {
        guard isStalled != self.isStalled else { return }
        self.isStalled = isStalled
        buffers.pipes.stalled += isStalled ? 1 : -1
    }
}
