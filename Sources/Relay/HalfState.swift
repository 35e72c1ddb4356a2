/// The state machine of one direction of a relay: it hears what happened and says what to do next.
///
/// Pure: who receives and sends, by readiness or by completion, by copy or by splice, is the driver's business.
///
///     open ──sourceEnded──▶ finishing ──(pending gone) finishSent──▶ finished
///       │──sourceFailed──▶ breaking ──(pending gone)──▶ broken
///       └──sinkFailed (from any of these)──▶ abandoned
public struct HalfState: Equatable, Sendable {
    public enum Phase: UInt8, Sendable {
        /// Bytes flow.
        case open
        /// The source has ended. What is pending goes out, then the end is passed on.
        case finishing
        /// All has been passed on, the end too.
        case finished
        /// The source has failed. What is pending goes out, then the sink can be reset.
        case breaking
        /// The source has failed, and the sink's kernel holds all that it had sent.
        case broken
        /// The sink has failed: nothing can be passed on any more.
        case abandoned
    }

    public enum Action: Equatable, Sendable {
        /// Receive from the source, and pass on what comes.
        case receive
        /// Send what is pending to the sink.
        case send
        /// Tell the sink that there will be no more.
        case finish
        /// There is nothing to do until an endpoint's readiness changes.
        case wait
    }

    @inlinable public var phase: Phase { _phase }
    @usableFromInline var _phase: Phase = .open
    /// Bytes received and not yet taken by the sink's kernel.
    @inlinable public var pending: Int32 { _pending }
    @usableFromInline var _pending: Int32 = 0

    @inlinable
    public init() {}

    /// What to do now, given what the endpoints can do.
    ///
    /// Nothing is received for a sink that would not take it: that is all of back-pressure.
    @inlinable
    public func next(canReceive: Bool, canSend: Bool) -> Action {
        switch phase {
        case .open:
            guard canSend else { return .wait }
            if pending > 0 { return .send }
            return canReceive ? .receive : .wait
        case .finishing:
            if pending == 0 { return .finish }
            return canSend ? .send : .wait
        case .breaking:
            return canSend ? .send : .wait
        case .finished, .broken, .abandoned:
            return .wait
        }
    }

    /// So many bytes came from the source; they are pending until they are sent.
    @inlinable
    public mutating func received(_ count: Int) {
        guard phase == .open, pending == 0, count > 0 else { trap("received \(count)") }
        _pending = Int32(truncatingIfNeeded: count)
    }

    /// The sink's kernel took so many of the pending bytes.
    @inlinable
    public mutating func sent(_ count: Int) {
        guard phase == .open || phase == .finishing || phase == .breaking, count >= 0, count <= Int(pending) else {
            trap("sent \(count)")
        }
        _pending -= Int32(truncatingIfNeeded: count)
        if phase == .breaking, pending == 0 { _phase = .broken }
    }

    /// The source sent its FIN, and all before it has been received.
    @inlinable
    public mutating func sourceEnded() {
        guard phase == .open else { trap("sourceEnded") }
        _phase = .finishing
    }

    /// The end has been passed on.
    @inlinable
    public mutating func finishSent() {
        guard phase == .finishing, pending == 0 else { trap("finishSent") }
        _phase = .finished
    }

    /// The source was reset or vanished, and all it had sent has been received.
    @inlinable
    public mutating func sourceFailed() {
        guard phase == .open else { trap("sourceFailed") }
        _phase = pending == 0 ? .broken : .breaking
    }

    /// The sink was reset or vanished.
    ///
    /// - Returns: how many pending bytes are lost by that.
    @inlinable
    public mutating func sinkFailed() -> Int {
        defer {
            _phase = .abandoned
            _pending = 0
        }
        return Int(pending)
    }

    /// What was to go to the sink has gone there, or never will.
    @inlinable
    public var isSettled: Bool {
        phase == .finished || phase == .broken || phase == .abandoned
    }

    /// An event that cannot happen in this phase: the driver has lost its way, and with it perhaps somebody's bytes.
    @usableFromInline
    func trap(_ event: String) -> Never {
        preconditionFailure("HalfState: \(event) while \(phase) with \(pending) bytes pending")
    }
}
