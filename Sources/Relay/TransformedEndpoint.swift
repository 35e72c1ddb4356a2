public import Sockets
public import TLS

/// The transform of an endpoint, with the bytes between it and the socket. An endpoint without such bytes holds no buffer.
public struct TransformedEndpoint<T: EndpointTransform> {
    public let transform: T
    /// Bytes received that have not been decoded, in a chunk of the worker's pool.
    @usableFromInline var input = StoredBytes()
    /// Encoded bytes that the socket has not accepted, in a chunk of the arena.
    @usableFromInline var output = StoredBytes()
    /// The number of plaintext bytes that count as part of ``output``: what the socket accepts is plaintext first.
    @usableFromInline var unsentPlaintext = 0
    /// The number of plaintext bytes accepted by the socket and not yet counted.
    @usableFromInline var sentPlaintext = 0
    /// Whether the transform may hold decoded bytes, because the last ones filled the room.
    @usableFromInline var mayHoldPlaintext = false
    /// The end or failure that the transform has reported, to be returned after the bytes before it.
    @usableFromInline var reportedEnd: TransformResult?
    /// Whether the end of this side's plaintext has been encoded.
    @usableFromInline var hasEncodedEnd = false
    /// Whether the socket has moved bytes since the last call of ``takeActivity()``.
    @usableFromInline var wasActive = false
    /// Whether the socket ended before the peer's plaintext did.
    public internal(set) var isTruncated = false
    /// Whether that is a failure, not an end.
    public var requiresEnd = false

    @inlinable
    public init(_ transform: T) {
        self.transform = transform
    }

    /// Whether bytes or an end can be received without reading the socket.
    @inlinable
    public var hasInput: Bool { input.count > 0 || mayHoldPlaintext || reportedEnd != nil }

    /// Whether encoded bytes wait for the socket.
    @inlinable
    public var hasOutput: Bool { output.count > 0 }

    /// Whether bytes of the peer have been received that are not decoded or not returned, or encoded bytes wait.
    public var holdsBytes: Bool { hasInput || hasOutput || transform.hasPartialInput }

    /// Returns whether the socket has moved bytes, plaintext or not, since the last call.
    public mutating func takeActivity() -> Bool {
        defer { wasActive = false }
        return wasActive
    }

    /// Encodes and sends the end of the plaintext, as far as the socket accepts it.
    public mutating func sendEnd<S: System & ~Copyable>(
        to endpoint: inout Endpoint,
        on system: inout S,
        with buffers: inout RelayBuffers
    ) {
        _ = finish(&endpoint, on: &system, with: &buffers)
    }

    /// The number of received bytes that have not been decoded.
    public var pendingInput: Int { input.count }

    /// The number of encoded bytes that wait for the socket.
    public var pendingOutput: Int { output.count }

    /// The number of plaintext bytes that have been taken and not been accepted by the socket.
    public var pendingPlaintext: Int { unsentPlaintext }

    /// Records plaintext whose encoding has been sent or stored, and what the socket has accepted of it: all but the bytes
    /// that are left, because an encoding is not shorter than its plaintext.
    ///
    /// - Parameter unsent: the number of encoded bytes that are left; nil if they are all in ``output``.
    @inlinable
    mutating func noteSent(_ plaintext: Int = 0, unsent: Int? = nil) {
        let left = min(unsentPlaintext + plaintext, unsent ?? output.count)
        sentPlaintext += unsentPlaintext + plaintext - left
        unsentPlaintext = left
    }

    /// Returns the number of plaintext bytes accepted by the socket since the last call.
    @inlinable
    mutating func takeSentPlaintext() -> Int {
        defer { sentPlaintext = 0 }
        return sentPlaintext
    }

    /// Takes ownership of received bytes in a chunk of the worker's pool.
    public mutating func begin(with chunk: UnsafeMutableRawPointer, offset: Int, count: Int) {
        input = StoredBytes(chunk: chunk, offset: offset, count: count)
    }

    /// Frees the transform and the buffers.
    public mutating func release(with buffers: inout RelayBuffers) {
        if let chunk = input.chunk { buffers.chunks.release(chunk) }
        if let chunk = output.chunk { buffers.transforms.chunks.release(chunk) }
        transform.release()
    }
}

/// Bytes in a chunk; none if there is no chunk.
@usableFromInline
struct StoredBytes {
    @usableFromInline var chunk: UnsafeMutableRawPointer?
    @usableFromInline var offset = 0
    @usableFromInline var count = 0

    @inlinable
    init() {}

    @inlinable
    init(chunk: UnsafeMutableRawPointer, offset: Int, count: Int) {
        self.chunk = chunk
        self.offset = offset
        self.count = count
    }

    @inlinable
    var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: chunk.map { $0 + offset }, count: count)
    }

    /// Removes bytes from the beginning.
    @inlinable
    mutating func removeFirst(_ number: Int) {
        offset += number
        count -= number
    }
}

// MARK: - Output

extension TransformedEndpoint {
    /// Sends the encoded bytes that wait; clears the endpoint's `canSend` if some are left.
    @inlinable
    mutating func flush<S: System & ~Copyable>(
        to endpoint: inout Endpoint,
        on system: inout S,
        with buffers: inout RelayBuffers
    ) {
        guard output.count > 0, endpoint.canSend, endpoint.failure == nil else { return }
        switch system.send(output.bytes, to: endpoint.descriptor!) {
        case .moved(let count):
            wasActive = true
            output.removeFirst(count)
            if output.count > 0 {
                endpoint.canSend = false
            } else {
                buffers.transforms.chunks.release(output.chunk!)
                output = StoredBytes()
            }
            noteSent()
        case .wouldBlock, .ended:
            endpoint.canSend = false
        case .failed(let error):
            endpoint.failure = error
        }
    }

    /// Sends the bytes just stored in the arena's output, behind those that wait already, and keeps the rest.
    ///
    /// - Returns: the number of these bytes that the socket has not accepted.
    @inlinable
    @discardableResult
    mutating func dispatch<S: System & ~Copyable>(
        _ count: Int,
        to endpoint: inout Endpoint,
        on system: inout S,
        with buffers: inout RelayBuffers
    ) -> Int {
        guard count > 0, endpoint.failure == nil else { return count }
        let bytes = UnsafeRawBufferPointer(rebasing: buffers.transforms.output[..<count])
        var sent = 0
        if output.count == 0, endpoint.canSend {
            switch system.send(bytes, to: endpoint.descriptor!) {
            case .moved(let count):
                wasActive = true
                sent = count
            case .wouldBlock, .ended: break
            case .failed(let error):
                endpoint.failure = error
                return count
            }
            if sent < count { endpoint.canSend = false }
        }
        guard sent < count else { return 0 }
        store(UnsafeRawBufferPointer(rebasing: bytes[sent...]), for: &endpoint, on: &system, with: &buffers)
        return count - sent
    }

    /// Keeps encoded bytes until the socket accepts them.
    @inlinable
    mutating func store<S: System & ~Copyable>(
        _ bytes: UnsafeRawBufferPointer,
        for endpoint: inout Endpoint,
        on system: inout S,
        with buffers: inout RelayBuffers
    ) {
        guard let chunk = output.chunk ?? buffers.transforms.chunks.take(on: &system) else {
            // The stream would have a gap, so the connection cannot continue.
            endpoint.failure = .outOfMemory
            return
        }
        if output.chunk == nil { output = StoredBytes(chunk: chunk, offset: 0, count: 0) }
        if output.offset > 0 {
            chunk.copyMemory(from: chunk + output.offset, byteCount: output.count)
            output.offset = 0
        }
        // Only records of the transform itself are stored behind others, and they are small.
        guard output.count + bytes.count <= buffers.transforms.chunks.chunkSize else {
            endpoint.failure = .outOfMemory
            return
        }
        (chunk + output.count).copyMemory(from: bytes.baseAddress!, byteCount: bytes.count)
        output.count += bytes.count
    }

    /// Stores bytes that precede the transform's own: the PROXY protocol header.
    ///
    /// - Returns: false if the system is out of memory.
    public mutating func prepend<S: System & ~Copyable>(
        _ bytes: UnsafeRawBufferPointer,
        on system: inout S,
        with buffers: inout RelayBuffers
    ) -> Bool {
        guard let chunk = buffers.transforms.chunks.take(on: &system) else { return false }
        chunk.copyMemory(from: bytes.baseAddress!, byteCount: bytes.count)
        output = StoredBytes(chunk: chunk, offset: 0, count: bytes.count)
        return true
    }

    /// Encodes plaintext and sends it, several records with one call.
    ///
    /// - Returns: the number of plaintext bytes taken. If it is less than all, the socket accepts no more, or the endpoint has
    ///   failed.
    @inlinable
    mutating func send<S: System & ~Copyable>(
        _ plaintext: UnsafeRawBufferPointer,
        to endpoint: inout Endpoint,
        on system: inout S,
        with buffers: inout RelayBuffers
    ) -> Int {
        var taken = 0
        flush(to: &endpoint, on: &system, with: &buffers)
        while taken < plaintext.count, endpoint.canSend, output.count == 0, endpoint.failure == nil {
            var io = TransformBuffers(
                input: UnsafeRawBufferPointer(start: nil, count: 0),
                output: buffers.transforms.output
            )
            var hasFailed = false
            var needsOutput = false
            let before = taken
            while taken < plaintext.count, io.hasRoom, !hasFailed, !needsOutput {
                var count = 0
                let rest = UnsafeRawBufferPointer(rebasing: plaintext[taken...])
                let result = transform.encode(rest, &io, count: &count)
                taken += count
                // Messages of the transform's own, such as session tickets, may be larger than the output. The same
                // plaintext is encoded when they have been sent.
                needsOutput = result == .needsOutput && io.outputCount > 0
                hasFailed = result != .done && !needsOutput
            }
            let unsent = dispatch(io.outputCount, to: &endpoint, on: &system, with: &buffers)
            noteSent(taken - before, unsent: unsent)
            if hasFailed, endpoint.failure == nil { endpoint.failure = .protocolError }
        }
        return taken
    }

    /// Encodes the end of the plaintext, once, and sends it.
    ///
    /// - Returns: whether the socket has accepted it and all bytes before it.
    @inlinable
    mutating func finish<S: System & ~Copyable>(
        _ endpoint: inout Endpoint,
        on system: inout S,
        with buffers: inout RelayBuffers
    ) -> Bool {
        flush(to: &endpoint, on: &system, with: &buffers)
        // Terminates: each iteration but the last stores bytes of the transform.
        while !hasEncodedEnd, endpoint.failure == nil {
            guard output.count == 0 else { return false }
            var io = TransformBuffers(
                input: UnsafeRawBufferPointer(start: nil, count: 0),
                output: buffers.transforms.output
            )
            let result = transform.end(&io)
            hasEncodedEnd = result != .needsOutput || io.outputCount == 0
            dispatch(io.outputCount, to: &endpoint, on: &system, with: &buffers)
        }
        return output.count == 0
    }
}

// MARK: - Input

extension TransformedEndpoint {
    /// Receives from the socket if necessary, and decodes.
    ///
    /// - Parameter room: where the plaintext is stored; at least one byte.
    @inlinable
    mutating func receive<S: System & ~Copyable>(
        from endpoint: inout Endpoint,
        into room: UnsafeMutableRawBufferPointer,
        on system: inout S,
        with buffers: inout RelayBuffers
    ) -> IOResult {
        if let end = reportedEnd { return conclude(end) }
        var count = 0
        // Bytes received in this call; the rest is kept at its end.
        var received = UnsafeRawBufferPointer(start: nil, count: 0)
        // Terminates: each iteration decodes bytes, receives bytes, or returns.
        while true {
            var io = makeStep(received, with: buffers)
            let available = io.input.count
            var decoded = 0
            let result = transform.decode(
                &io,
                into: UnsafeMutableRawBufferPointer(rebasing: room[count...]),
                count: &decoded
            )
            count += decoded
            received = endStep(io, consumed: available - io.input.count, received, with: &buffers)
            let unsent = dispatch(io.outputCount, to: &endpoint, on: &system, with: &buffers)
            switch result {
            case .done where count < room.count:
                continue
            case .done:
                mayHoldPlaintext = true
                guard keep(received, on: &system, with: &buffers) else { return .failed(.outOfMemory) }
                return .moved(count)
            case .needsOutput:
                // Messages of the transform's own are larger than the output. If the socket does not accept them, there is
                // no place for the input that is not consumed.
                guard io.outputCount > 0, unsent == 0, endpoint.failure == nil else { return .failed(.protocolError) }
            case .needsInput:
                mayHoldPlaintext = false
                if count > 0 { return .moved(count) }
                guard endpoint.canReceive else { return .wouldBlock }
                switch receiveInput(from: &endpoint, &received, on: &system, with: buffers) {
                case .moved: break
                case .wouldBlock: return .wouldBlock
                case .ended: transform.inputEnded()
                case .failed(let error): return .failed(error)
                }
            case .closed, .truncated, .failed:
                mayHoldPlaintext = false
                reportedEnd = result
                return count > 0 ? .moved(count) : conclude(result)
            }
        }
    }

    /// Returns the buffers of a step, whose input is what is stored, or else what has just been received.
    @inlinable
    func makeStep(_ received: UnsafeRawBufferPointer, with buffers: borrowing RelayBuffers) -> TransformBuffers {
        TransformBuffers(input: input.count > 0 ? input.bytes : received, output: buffers.transforms.output)
    }

    /// Removes from the input what a step has consumed; returns what is left of the bytes just received.
    @inlinable
    mutating func endStep(
        _ step: TransformBuffers,
        consumed: Int,
        _ received: UnsafeRawBufferPointer,
        with buffers: inout RelayBuffers
    ) -> UnsafeRawBufferPointer {
        guard input.count > 0 else { return step.input }
        input.removeFirst(consumed)
        releaseInput(with: &buffers)
        return received
    }

    /// Receives encoded bytes from the socket, once the transform has consumed those before.
    @inlinable
    mutating func receiveInput<S: System & ~Copyable>(
        from endpoint: inout Endpoint,
        _ received: inout UnsafeRawBufferPointer,
        on system: inout S,
        with buffers: borrowing RelayBuffers
    ) -> IOResult {
        let result = system.receive(from: endpoint.descriptor!, into: buffers.transforms.input)
        switch result {
        case .moved(let number):
            wasActive = true
            if number < buffers.transforms.input.count, !endpoint.readsToTheEnd { endpoint.canReceive = false }
            received = UnsafeRawBufferPointer(rebasing: buffers.transforms.input[..<number])
        case .wouldBlock, .ended:
            endpoint.canReceive = false
        case .failed:
            break
        }
        return result
    }

    /// Returns the end of the plaintext as the result of a receive.
    @inlinable
    mutating func conclude(_ end: TransformResult) -> IOResult {
        if end == .failed { return .failed(.protocolError) }
        guard end == .truncated else { return .ended }
        noteTruncation()
        return requiresEnd ? .failed(.protocolError) : .ended
    }

    @usableFromInline
    mutating func noteTruncation() { isTruncated = true }

    /// Keeps received bytes that have not been decoded.
    @inlinable
    mutating func keep<S: System & ~Copyable>(
        _ bytes: UnsafeRawBufferPointer,
        on system: inout S,
        with buffers: inout RelayBuffers
    ) -> Bool {
        guard bytes.count > 0 else { return true }
        guard let chunk = buffers.chunks.take(on: &system) else { return false }
        chunk.copyMemory(from: bytes.baseAddress!, byteCount: bytes.count)
        input = StoredBytes(chunk: chunk, offset: 0, count: bytes.count)
        return true
    }

    @inlinable
    mutating func releaseInput(with buffers: inout RelayBuffers) {
        guard input.count == 0, let chunk = input.chunk else { return }
        buffers.chunks.release(chunk)
        input = StoredBytes()
    }
}

// MARK: - Handshake

/// The progress of a handshake.
public enum HandshakeProgress: Equatable, Sendable {
    /// The endpoint's readiness must change first.
    case waiting
    case done
    /// The transform or the socket has failed. The peer has been sent an alert if that is possible.
    case failed
    /// The socket has ended.
    case ended
}

extension TransformedEndpoint {
    /// Continues the handshake as far as possible.
    @inlinable
    public mutating func handshake<S: System & ~Copyable>(
        with endpoint: inout Endpoint,
        on system: inout S,
        with buffers: inout RelayBuffers
    ) -> HandshakeProgress {
        flush(to: &endpoint, on: &system, with: &buffers)
        var received = UnsafeRawBufferPointer(start: nil, count: 0)
        var hasEnded = false
        // Terminates: each iteration receives bytes, sends bytes, or returns.
        while endpoint.failure == nil {
            guard output.count == 0 else { return .waiting }
            var io = makeStep(received, with: buffers)
            let available = io.input.count
            let result = transform.handshake(&io)
            received = endStep(io, consumed: available - io.input.count, received, with: &buffers)
            dispatch(io.outputCount, to: &endpoint, on: &system, with: &buffers)
            switch result {
            case .done:
                mayHoldPlaintext = false
                return keep(received, on: &system, with: &buffers) ? .done : .failed
            case .needsOutput:
                continue
            case .needsInput:
                guard endpoint.canReceive, endpoint.failure == nil else { break }
                switch receiveInput(from: &endpoint, &received, on: &system, with: buffers) {
                case .moved:
                    continue
                case .wouldBlock:
                    break
                case .ended:
                    guard !hasEnded else { return .ended }
                    hasEnded = true
                    transform.inputEnded()
                    continue
                case .failed(let error):
                    endpoint.failure = error
                }
            case .closed, .truncated:
                return .ended
            case .failed:
                return .failed
            }
            if endpoint.failure == nil { return .waiting }
        }
        return .failed
    }
}
