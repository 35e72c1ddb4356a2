public import Sockets

// Transfers of a direction with a transform at its source, its sink or both.

extension RelayDirection {
    /// Moves the bytes that can be moved now, within a limit on the plaintext received. All transfers are copied.
    ///
    /// - Parameters:
    ///   - allowance: The number of bytes that may be received; reduced by the bytes received.
    ///   - decoder: The transform of the source; nil if it has none.
    ///   - encoder: The transform of the sink; nil if it has none.
    /// - Returns: True if there may be more bytes to move immediately and the allowance permits it.
    @inlinable
    public mutating func turn<S: System & ~Copyable, T>(
        receiving allowance: inout Int,
        from source: inout Endpoint,
        _ decoder: UnsafeMutablePointer<TransformedEndpoint<T>>?,
        to sink: inout Endpoint,
        _ encoder: UnsafeMutablePointer<TransformedEndpoint<T>>?,
        on system: inout S,
        with buffers: inout RelayBuffers,
        closesNext: Bool
    ) -> Bool {
        var receives = 0
        while true {
            if let encoder, sink.descriptor != nil {
                encoder.pointee.flush(to: &sink, on: &system, with: &buffers)
                _transferred &+= UInt64(encoder.pointee.takeSentPlaintext())
                if sink.failure != nil, _state.phase != .abandoned { sinkFailed(on: &system, with: &buffers) }
            }
            let canReceive = source.canReceive || (decoder?.pointee.hasInput ?? false)
            let canSend = sink.canSend && !(encoder?.pointee.hasOutput ?? false)
            switch _state.next(canReceive: canReceive && allowance > 0, canSend: canSend) {
            case .receive:
                if receives >= Self.copiesPerTurn { return true }
                receives += 1
                let room = UnsafeMutableRawBufferPointer(
                    rebasing: buffers.shared.prefix(min(allowance, buffers.shared.count))
                )
                let result =
                    if let decoder {
                        decoder.pointee.receive(from: &source, into: room, on: &system, with: &buffers)
                    } else {
                        system.receive(from: source.descriptor!, into: room)
                    }
                switch result {
                case .moved(let count):
                    if decoder == nil, count < room.count, !source.readsToTheEnd { source.canReceive = false }
                    allowance -= count
                    _state.received(count)
                    if let encoder {
                        pass(count, to: &sink, encoder, on: &system, with: &buffers)
                    } else {
                        pass(count, to: &sink, on: &system, with: &buffers)
                    }
                case .wouldBlock:
                    source.canReceive = false
                case .ended:
                    sourceEnded(source)
                case .failed(let error):
                    source.failure = error
                    _state.sourceFailed()
                }
            case .send:
                if let encoder {
                    sendChunk(to: &sink, encoder, on: &system, with: &buffers)
                } else {
                    sendChunk(to: &sink, on: &system, with: &buffers)
                }
            case .finish:
                if let encoder {
                    guard encoder.pointee.finish(&sink, on: &system, with: &buffers) else {
                        if sink.failure == nil { return false }
                        sinkFailed(on: &system, with: &buffers)
                        continue
                    }
                }
                if closesNext { _state.finishSent() } else { finish(&sink, on: &system) }
            case .wait:
                return false
            }
        }
    }

    /// Encodes and sends the bytes just received, and keeps those that the sink does not accept.
    @inlinable
    mutating func pass<S: System & ~Copyable, T>(
        _ count: Int,
        to sink: inout Endpoint,
        _ encoder: UnsafeMutablePointer<TransformedEndpoint<T>>,
        on system: inout S,
        with buffers: inout RelayBuffers
    ) {
        let bytes = UnsafeRawBufferPointer(rebasing: buffers.shared[..<count])
        let taken = encoder.pointee.send(bytes, to: &sink, on: &system, with: &buffers)
        _state.sent(taken)
        if sink.failure == nil, taken < count,
            !keep(UnsafeRawBufferPointer(rebasing: bytes[taken...]), on: &system, with: &buffers)
        {
            sink.failure = .outOfMemory
        }
        if sink.failure != nil { sinkFailed(on: &system, with: &buffers) }
    }

    @inlinable
    mutating func sendChunk<S: System & ~Copyable, T>(
        to sink: inout Endpoint,
        _ encoder: UnsafeMutablePointer<TransformedEndpoint<T>>,
        on system: inout S,
        with buffers: inout RelayBuffers
    ) {
        let count = Int(_state.pending)
        let bytes = UnsafeRawBufferPointer(start: chunk! + Int(offset), count: count)
        let taken = encoder.pointee.send(bytes, to: &sink, on: &system, with: &buffers)
        _state.sent(taken)
        offset += Int32(truncatingIfNeeded: taken)
        if sink.failure != nil {
            sinkFailed(on: &system, with: &buffers)
        } else if taken == count {
            releaseChunk(with: &buffers)
        }
    }
}

extension Duplex {
    /// Moves bytes in both directions through the transforms of the endpoints, within a limit on the bytes received.
    ///
    /// - Parameters:
    ///   - clientTransform: The transform of the client's endpoint; nil if it has none.
    ///   - serverTransform: The transform of the server's endpoint; nil if it has none.
    ///   - upstream: The number of bytes that may be received from the client; reduced by the bytes received.
    ///   - downstream: The number of bytes that may be received from the server; reduced by the bytes received.
    @inlinable
    public mutating func turn<S: System & ~Copyable, T>(
        on system: inout S,
        with buffers: inout RelayBuffers,
        client clientTransform: UnsafeMutablePointer<TransformedEndpoint<T>>?,
        server serverTransform: UnsafeMutablePointer<TransformedEndpoint<T>>?,
        upstream allowedUpstream: inout Int,
        downstream allowedDownstream: inout Int
    ) -> Outcome {
        let endsWithDownstream = downstream.state.phase == .finished
        var more = upstream.turn(
            receiving: &allowedUpstream,
            from: &client,
            clientTransform,
            to: &server,
            serverTransform,
            on: &system,
            with: &buffers,
            closesNext: endsWithDownstream
        )
        let endsWithUpstream = upstream.state.phase == .finished
        if downstream.turn(
            receiving: &allowedDownstream,
            from: &server,
            serverTransform,
            to: &client,
            clientTransform,
            on: &system,
            with: &buffers,
            closesNext: endsWithUpstream
        ) {
            more = true
        }
        return conclude(more: more, on: &system, with: &buffers)
    }
}
