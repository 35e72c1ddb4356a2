public import Sockets

// Transfers of a direction with a bandwidth budget.

extension RelayDirection {
    /// Moves the bytes that can be moved now, within a limit on the bytes received. All transfers are copied regardless
    /// of size, because a pipe could take in more bytes than a small budget allows.
    ///
    /// - Parameter allowance: The number of bytes that may be received; reduced by the bytes received.
    /// - Returns: True if there may be more bytes to move immediately and the allowance permits it.
    @inlinable
    public mutating func turn<S: System & ~Copyable>(
        receiving allowance: inout Int,
        from source: inout Endpoint,
        to sink: inout Endpoint,
        on system: inout S,
        with buffers: inout RelayBuffers,
        closesNext: Bool
    ) -> Bool {
        var receives = 0
        while true {
            switch _state.next(canReceive: source.canReceive && allowance > 0, canSend: sink.canSend) {
            case .receive:
                if receives >= Self.copiesPerTurn { return true }
                receives += 1
                let room = UnsafeMutableRawBufferPointer(
                    rebasing: buffers.shared.prefix(min(allowance, buffers.shared.count))
                )
                switch system.receive(from: source.descriptor!, into: room) {
                case .moved(let count):
                    if count < room.count, !source.readsToTheEnd { source.canReceive = false }
                    allowance -= count
                    _state.received(count)
                    pass(count, to: &sink, on: &system, with: &buffers)
                case .wouldBlock:
                    source.canReceive = false
                case .ended:
                    sourceEnded(source)
                case .failed(let error):
                    source.failure = error
                    _state.sourceFailed()
                }
            case .send:
                sendChunk(to: &sink, on: &system, with: &buffers)
            case .finish:
                if closesNext { _state.finishSent() } else { finish(&sink, on: &system) }
            case .wait:
                return false
            }
        }
    }
}
