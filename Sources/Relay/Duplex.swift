public import EventLoop
public import Sockets

/// A relayed connection: two endpoints, and one direction each way between them.
public struct Duplex: ~Copyable {
    public var client: Endpoint
    public var server: Endpoint
    /// The direction from the client to the server.
    public var upstream = RelayDirection()
    /// The direction from the server to the client.
    public var downstream = RelayDirection()
    /// The endpoint that was the first to end or fail.
    @inlinable public var firstToEnd: Side? { _firstToEnd }
    @usableFromInline var _firstToEnd: Side?

    public enum Outcome: Equatable, Sendable {
        /// No bytes can be moved until an endpoint's readiness changes.
        case waiting
        /// There may be more bytes to move immediately.
        case moreToMove
        /// Both directions have ended, or both endpoints have failed: close the connection.
        case over
        /// One endpoint has failed. Once all bytes received from it have been delivered to the other endpoint, that
        /// endpoint is to be reset.
        case failed(Side, delivered: Bool)
    }

    /// - Parameter client: An accepted connection. The server's endpoint is set after the connect.
    @inlinable
    public init(client: consuming Descriptor) {
        self.client = Endpoint(client, canSend: true)
        server = Endpoint(nil, canSend: false)
    }

    /// Moves the bytes that can be moved now, in both directions.
    @inlinable
    public mutating func turn<S: System & ~Copyable>(
        on system: inout S,
        with buffers: inout RelayBuffers,
        clock: inout TurnClock
    ) -> Outcome {
        let endsWithDownstream = downstream.state.phase == .finished
        var more = upstream.turn(
            from: &client,
            to: &server,
            on: &system,
            with: &buffers,
            closesNext: endsWithDownstream,
            clock: &clock
        )
        let endsWithUpstream = upstream.state.phase == .finished
        if downstream.turn(
            from: &server,
            to: &client,
            on: &system,
            with: &buffers,
            closesNext: endsWithUpstream,
            clock: &clock
        ) {
            more = true
        }
        return conclude(more: more, on: &system, with: &buffers)
    }

    /// Moves bytes in both directions within a limit on the bytes received; neither direction splices.
    ///
    /// - Parameters:
    ///   - upstream: The number of bytes that may be received from the client; reduced by the bytes received.
    ///   - downstream: The number of bytes that may be received from the server; reduced by the bytes received.
    @inlinable
    public mutating func turn<S: System & ~Copyable>(
        on system: inout S,
        with buffers: inout RelayBuffers,
        upstream allowedUpstream: inout Int,
        downstream allowedDownstream: inout Int
    ) -> Outcome {
        let endsWithDownstream = downstream.state.phase == .finished
        var more = upstream.turn(
            receiving: &allowedUpstream,
            from: &client,
            to: &server,
            on: &system,
            with: &buffers,
            closesNext: endsWithDownstream
        )
        let endsWithUpstream = upstream.state.phase == .finished
        if downstream.turn(
            receiving: &allowedDownstream,
            from: &server,
            to: &client,
            on: &system,
            with: &buffers,
            closesNext: endsWithUpstream
        ) {
            more = true
        }
        return conclude(more: more, on: &system, with: &buffers)
    }

    /// Determines the outcome of a turn of both directions.
    @inlinable
    mutating func conclude<S: System & ~Copyable>(
        more: Bool,
        on system: inout S,
        with buffers: inout RelayBuffers
    ) -> Outcome {
        if !hasFailed {
            if more { return .moreToMove }
            noteFirstEnd()
            let isOver = upstream.state.phase == .finished && downstream.state.phase == .finished
            return isOver ? .over : .waiting
        }
        return fail(more: more, on: &system, with: &buffers)
    }

    /// Reads the error of a socket that reported one. The socket may still hold bytes received before the error.
    @inlinable
    public mutating func takeFailure<S: System & ~Copyable>(of side: Side, on system: inout S) {
        switch side {
        case .client: if client.failure == nil { client.failure = system.takeError(of: client.descriptor!) }
        case .server: if server.failure == nil { server.failure = system.takeError(of: server.descriptor!) }
        }
    }

    /// Whether a source is reported only after many bytes have arrived.
    @inlinable
    public var batchesReads: Bool { upstream.batchesReads || downstream.batchesReads }

    /// Returns the time at which a source must be read without a readiness event; nil if every byte is reported.
    @inlinable
    public func recheckTime(_ batching: borrowing BatchingPolicy) -> Instant? {
        let upstreamTime = upstream.recheckTime(batching)
        guard let downstreamTime = downstream.recheckTime(batching) else { return upstreamTime }
        return upstreamTime.map { min($0, downstreamTime) } ?? downstreamTime
    }

    /// Ends batching in directions whose recheck time has passed; the next turn reads their sources.
    @inlinable
    public mutating func recheck<S: System & ~Copyable>(
        on system: inout S,
        with buffers: borrowing RelayBuffers,
        at now: Instant
    ) {
        upstream.recheck(&client, on: &system, with: buffers, at: now)
        downstream.recheck(&server, on: &system, with: buffers, at: now)
    }

    @inlinable
    public var hasFailed: Bool {
        client.failure != nil || server.failure != nil
    }

    /// The number of received bytes that have not been delivered to the remaining endpoint.
    public var pending: Int {
        Int(upstream.state.pending) + Int(downstream.state.pending)
    }

    /// Closes both sockets: their kernels still send the queued data, followed by a FIN.
    @inlinable
    public mutating func close<S: System & ~Copyable>(on system: inout S, with buffers: inout RelayBuffers) {
        upstream.abandon(on: &system, with: &buffers)
        downstream.abandon(on: &system, with: &buffers)
        if let descriptor = client.descriptor.take() { system.close(descriptor) }
        if let descriptor = server.descriptor.take() { system.close(descriptor) }
    }

    /// Resets both sockets: queued data is discarded.
    @inlinable
    public mutating func abort<S: System & ~Copyable>(on system: inout S, with buffers: inout RelayBuffers) {
        upstream.abandon(on: &system, with: &buffers)
        downstream.abandon(on: &system, with: &buffers)
        if let descriptor = client.descriptor.take() { system.abort(descriptor) }
        if let descriptor = server.descriptor.take() { system.abort(descriptor) }
    }

    @inlinable
    mutating func noteFirstEnd() {
        guard firstToEnd == nil else { return }
        if upstream.state.phase != .open {
            _firstToEnd = .client
        } else if downstream.state.phase != .open {
            _firstToEnd = .server
        }
    }

    /// Handles the failure of at least one endpoint: bytes for it are discarded; bytes from it are still delivered to
    /// the other endpoint.
    @inlinable
    mutating func fail<S: System & ~Copyable>(
        more: Bool,
        on system: inout S,
        with buffers: inout RelayBuffers
    ) -> Outcome {
        if client.failure != nil { downstream.abandon(on: &system, with: &buffers) }
        if server.failure != nil { upstream.abandon(on: &system, with: &buffers) }
        if firstToEnd == nil { _firstToEnd = client.failure != nil ? .client : .server }
        if client.failure != nil, server.failure != nil { return .over }
        if more { return .moreToMove }
        return client.failure != nil
            ? .failed(.client, delivered: upstream.state.isSettled)
            : .failed(.server, delivered: downstream.state.isSettled)
    }
}
