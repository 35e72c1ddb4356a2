public import Sockets

// How a half moves bytes that have a budget.

extension HalfRelay {
    /// Moves what can be moved now, and takes in no more than is allowed. It copies, much as well as little: a pipe would take in more
    /// than a small budget has.
    ///
    /// - Parameter allowance: how many bytes may come in now; less what has come afterwards.
    /// - Returns: true if there may be more to move at once, and more is allowed.
    @inlinable
    public mutating func turn<S: System & ~Copyable>(
        from source: inout Endpoint,
        to sink: inout Endpoint,
        on system: inout S,
        with buffers: inout RelayBuffers,
        closesNext: Bool,
        receiving allowance: inout Int
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
