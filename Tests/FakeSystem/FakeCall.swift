/// A call of the process; those that only return a state, and those on pipes, are left out.
public enum FakeCall: Hashable, Sendable {
    case register(Int32)
    case modify(Int32)
    case wait
    case accept(Int32)
    case connect
    case takeError(Int32)
    case receive(Int32)
    /// The bytes that were offered, however many of them were accepted.
    case send([UInt8], to: Int32)
    case endSending(Int32)
    case sendDelayedACK(Int32)
    case close(Int32)
    case abort(Int32)
}
