/// The state machine of one direction of a relay: records events and returns the next action.
///
/// Pure: the driver decides how bytes are received and sent (by readiness or completion, by copy or splice).
///
///     open ──sourceEnded──▶ finishing ──(nothing pending) finishSent──▶ finished
///       │──sourceFailed──▶ breaking ──(nothing pending)──▶ broken
///       └──sinkFailed (from any of these)──▶ abandoned
public struct RelayDirectionState: Equatable, Sendable {
    public enum Phase: UInt8, Sendable {
        /// Bytes flow.
        case open
        /// The source has ended. Pending bytes are sent, then the end is passed on.
        case finishing
        /// All bytes and the end have been passed on.
        case finished
        /// The source has failed. Pending bytes are sent, then the sink can be reset.
        case breaking
        /// The source has failed, and the sink's kernel has accepted all bytes received from it.
        case broken
        /// The sink has failed: nothing can be delivered any more.
        case abandoned
    }

    public enum Action: Equatable, Sendable {
        /// Receive from the source, and send the bytes to the sink.
        case receive
        /// Send the pending bytes to the sink.
        case send
        /// Half-close the sink: there are no more bytes.
        case finish
        /// Wait until an endpoint's readiness changes.
        case wait
    }

    @inlinable public var phase: Phase { _phase }
    @usableFromInline var _phase: Phase = .open
    /// The number of bytes received and not yet accepted by the sink's kernel.
    @inlinable public var pending: Int32 { _pending }
    @usableFromInline var _pending: Int32 = 0

    @inlinable
    public init() {}

    /// Returns the next action for the given readiness of the endpoints.
    ///
    /// Nothing is received while the sink accepts no bytes; this alone implements back-pressure.
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

    /// Records bytes received from the source; they are pending until they are sent.
    @inlinable
    public mutating func received(_ count: Int) {
        guard phase == .open, pending == 0, count > 0 else { trap("received \(count)") }
        _pending = Int32(truncatingIfNeeded: count)
    }

    /// Records pending bytes accepted by the sink's kernel.
    @inlinable
    public mutating func sent(_ count: Int) {
        guard phase == .open || phase == .finishing || phase == .breaking, count >= 0, count <= Int(pending) else {
            trap("sent \(count)")
        }
        _pending -= Int32(truncatingIfNeeded: count)
        if phase == .breaking, pending == 0 { _phase = .broken }
    }

    /// Records the FIN of the source, after all bytes before it have been received.
    @inlinable
    public mutating func sourceEnded() {
        guard phase == .open else { trap("sourceEnded") }
        _phase = .finishing
    }

    /// Records that the end has been passed on.
    @inlinable
    public mutating func finishSent() {
        guard phase == .finishing, pending == 0 else { trap("finishSent") }
        _phase = .finished
    }

    /// Records that the source was reset or vanished, after all bytes before that have been received.
    @inlinable
    public mutating func sourceFailed() {
        guard phase == .open else { trap("sourceFailed") }
        _phase = pending == 0 ? .broken : .breaking
    }

    /// Records that the sink was reset or vanished.
    ///
    /// - Returns: The number of pending bytes, which are lost.
    @inlinable
    public mutating func sinkFailed() -> Int {
        defer {
            _phase = .abandoned
            _pending = 0
        }
        return Int(pending)
    }

    /// Whether all bytes for the sink have been delivered or can no longer be delivered.
    @inlinable
    public var isSettled: Bool {
        phase == .finished || phase == .broken || phase == .abandoned
    }

    /// Traps on an event that is invalid in this phase: the driver is in an inconsistent state and may have corrupted a
    /// stream.
    @usableFromInline
    func trap(_ event: String) -> Never {
        preconditionFailure("HalfState: \(event) while \(phase) with \(pending) bytes pending")
    }
}
