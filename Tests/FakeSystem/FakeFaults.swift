public import Sockets

/// What goes wrong in a ``FakeWorld``: by plan, and by chance that a seed decides.
public struct FakeFaults {
    /// Calls that can be made to fail.
    public enum Call: Hashable, Sendable {
        case register
        case accept
        case connect
        case receive
        case send
        case pipe
        case splice
    }

    /// The most that one receive, send or splice moves.
    public var largestTransfer = Int.max
    /// How likely a transfer is to move less than it could.
    public var shortTransfers = 0.0
    /// How likely a receive, a send or a splice is to find nothing to do although there is; the poller then tells again.
    public var wouldBlocks = 0.0
    /// How likely a receive, a send or a splice is to find that the network has reset the connection, both ends of it,
    /// just before.
    public var resets = 0.0
    /// How likely an event is to be reported twice in a batch.
    public var doubledEvents = 0.0
    /// How likely an event is to be reported only by the wait after.
    public var lateEvents = 0.0
    /// How likely a wait is to report again what it, or one before, has reported: whether that still holds or not, and
    /// also of a descriptor that has been closed since, whose number another may have.
    public var staleEvents = 0.0
    /// How likely a wait is to be interrupted by a signal.
    public var interruptedWaits = 0.0
    /// The most that a pipe holds, whatever was asked for.
    public var largestPipe = Int.max
    /// How likely a pipe's slots are used up before its bytes are, as small packets do.
    public var fragmentedPipes = 0.0
    /// The most that one packet carries.
    public var largestSegment = Int.max

    private var planned: [Call: [SystemError]] = [:]
    private var chances: [Call: (probability: Double, errors: [SystemError])] = [:]
    private var generator: SplitMix64

    init(seed: UInt64) {
        generator = SplitMix64(seed: seed)
    }

    /// The next calls of a kind fail.
    public mutating func fail(_ call: Call, with error: SystemError, times: Int = 1) {
        planned[call, default: []] += Array(repeating: error, count: times)
    }

    /// From now on calls of a kind fail so likely, each with one of these errors.
    public mutating func fail(_ call: Call, withOneOf errors: [SystemError], probability: Double) {
        chances[call] = probability > 0 ? (probability, errors) : nil
    }

    /// The error that a call meets now.
    mutating func error(of call: Call) -> SystemError? {
        if let next = planned[call], !next.isEmpty {
            planned[call]?.removeFirst()
            return next[0]
        }
        guard let chance = chances[call], happens(chance.probability) else { return nil }
        return chance.errors.randomElement(using: &generator)
    }

    /// How much of what it wants to move a transfer may move.
    mutating func allowance(of wanted: Int) -> Int {
        let most = min(wanted, largestTransfer)
        return most > 1 && happens(shortTransfers) ? Int.random(in: 1..<most, using: &generator) : most
    }

    /// How much fits into an empty pipe: a slot for each page of its capacity, and one byte at least in each slot.
    mutating func pipeRoom(_ capacity: Int) -> Int {
        happens(fragmentedPipes)
            ? Int.random(in: max(1, capacity / 4096)...max(1, capacity), using: &generator) : capacity
    }

    mutating func wouldBlock() -> Bool { happens(wouldBlocks) }
    mutating func resetsNow() -> Bool { happens(resets) }
    mutating func doublesEvent() -> Bool { happens(doubledEvents) }
    mutating func delaysEvent() -> Bool { happens(lateEvents) }
    /// The place in a list of so many old events of the one that is reported again.
    mutating func staleEvent(of count: Int) -> Int? {
        count > 0 && happens(staleEvents) ? Int.random(in: 0..<count, using: &generator) : nil
    }
    mutating func interruptsWait() -> Bool { happens(interruptedWaits) }
    func segmentSize() -> Int { largestSegment }

    private mutating func happens(_ probability: Double) -> Bool {
        probability > 0 && Double.random(in: 0..<1, using: &generator) < probability
    }
}
