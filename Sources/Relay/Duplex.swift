public import Sockets
public import Workers

/// A relayed connection: two endpoints, and one half for each direction between them.
public struct Duplex: ~Copyable {
    public var client: Endpoint
    public var server: Endpoint
    /// From the client to the server.
    public var upstream = HalfRelay()
    /// From the server to the client.
    public var downstream = HalfRelay()
    /// Whose end or failure came first.
    @inlinable public var firstToEnd: Party? { _firstToEnd }
    @usableFromInline var _firstToEnd: Party?

    public enum Outcome: Equatable, Sendable {
        /// Nothing can move until an endpoint's readiness changes.
        case waiting
        /// There may be more to move at once.
        case moreToMove
        /// Both directions have ended, or both endpoints are gone: close.
        case over
        /// One endpoint is gone. When all that it had sent has been delivered to the other, that one is to be reset.
        case failed(Party, delivered: Bool)
    }

    /// - Parameter client: an accepted connection. The server's endpoint is set when it is connected.
    @inlinable
    public init(client: consuming Descriptor) {
        self.client = Endpoint(client, canSend: true)
        server = Endpoint(nil, canSend: false)
    }

    /// Moves what can be moved now, in both directions.
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

    /// The same for a connection whose halves may receive so many bytes and no more; none of them splices.
    ///
    /// - Parameters:
    ///   - upstream: what the client may send now; less what has come afterwards.
    ///   - downstream: what the server may send now; less what has come afterwards.
    @inlinable
    public mutating func turn<S: System & ~Copyable>(
        on system: inout S,
        with buffers: inout RelayBuffers,
        upstream allowedUpstream: inout Int,
        downstream allowedDownstream: inout Int
    ) -> Outcome {
        let endsWithDownstream = downstream.state.phase == .finished
        var more = upstream.turn(
            from: &client,
            to: &server,
            on: &system,
            with: &buffers,
            closesNext: endsWithDownstream,
            receiving: &allowedUpstream
        )
        let endsWithUpstream = upstream.state.phase == .finished
        if downstream.turn(
            from: &server,
            to: &client,
            on: &system,
            with: &buffers,
            closesNext: endsWithUpstream,
            receiving: &allowedDownstream
        ) {
            more = true
        }
        return conclude(more: more, on: &system, with: &buffers)
    }

    /// What follows from a turn of both halves.
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

    /// Asks a socket that reported an error for it. It may still hold bytes that came before.
    @inlinable
    public mutating func takeFailure<S: System & ~Copyable>(of party: Party, on system: inout S) {
        switch party {
        case .client: if client.failure == nil { client.failure = system.takeError(of: client.descriptor!) }
        case .server: if server.failure == nil { server.failure = system.takeError(of: server.descriptor!) }
        }
    }

    /// Whether a source is reported only when much has arrived.
    @inlinable
    public var batchesReads: Bool { upstream.batchesReads || downstream.batchesReads }

    /// When a source has to be read without a readiness event; nil if each byte is reported.
    @inlinable
    public func recheckTime(_ batching: borrowing BatchingPolicy) -> Instant? {
        let upstreamTime = upstream.recheckTime(batching)
        guard let downstreamTime = downstream.recheckTime(batching) else { return upstreamTime }
        return upstreamTime.map { min($0, downstreamTime) } ?? downstreamTime
    }

    /// Ends batching where the time for it has passed; the next turn reads those sources.
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

    /// Received bytes that have not been delivered to the one endpoint that is left.
    public var pending: Int {
        Int(upstream.state.pending) + Int(downstream.state.pending)
    }

    /// Closes both sockets: what their kernels still hold is sent, and their ends after it.
    @inlinable
    public mutating func close<S: System & ~Copyable>(on system: inout S, with buffers: inout RelayBuffers) {
        upstream.abandon(on: &system, with: &buffers)
        downstream.abandon(on: &system, with: &buffers)
        if let descriptor = client.descriptor.take() { system.close(descriptor) }
        if let descriptor = server.descriptor.take() { system.close(descriptor) }
    }

    /// Resets both sockets: what their kernels still hold is thrown away.
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

    /// At least one endpoint has failed: what was for it is given up, what came from it goes on to the other.
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
