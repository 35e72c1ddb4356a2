import Randomness
public import Sockets

/// Faults of a ``FakeWorld``: planned ones, and random ones drawn from a seed.
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
        case allocate
    }

    /// Maximum bytes of one receive, send or splice.
    public var largestTransfer = Int.max
    /// Probability that a transfer moves less than it could.
    public var shortTransfers = 0.0
    /// Probability that a receive, send or splice returns EAGAIN although it could proceed; the poller then
    /// reports again.
    public var wouldBlocks = 0.0
    /// Probability that the network resets both ends of the connection just before a receive, a send or a splice.
    public var resets = 0.0
    /// Probability that an event is reported twice in a batch.
    public var doubledEvents = 0.0
    /// Probability that an event is reported one wait later.
    public var lateEvents = 0.0
    /// Probability that a wait repeats an event that it, or an earlier one, has reported: whether that still holds or
    /// not, and also for a descriptor that has been closed since, whose number may be in use again.
    public var staleEvents = 0.0
    /// Probability that a wait is interrupted by a signal.
    public var interruptedWaits = 0.0
    /// Maximum capacity of a pipe, whatever was requested.
    public var largestPipe = Int.max
    /// Probability that a pipe runs out of slots before bytes, as it does with small packets.
    public var fragmentedPipes = 0.0
    /// Maximum payload of one packet.
    public var largestSegment = Int.max

    private var planned: [Call: [SystemError]] = [:]
    private var chances: [Call: (probability: Double, errors: [SystemError])] = [:]
    private var generator: SplitMix64

    init(seed: UInt64) {
        generator = SplitMix64(seed: seed)
    }

    /// Makes the next calls of a kind fail.
    public mutating func fail(_ call: Call, with error: SystemError, times: Int = 1) {
        planned[call, default: []] += Array(repeating: error, count: times)
    }

    /// Makes calls of a kind fail with this probability from now on, each with one of these errors.
    public mutating func fail(_ call: Call, withOneOf errors: [SystemError], probability: Double) {
        chances[call] = probability > 0 ? (probability, errors) : nil
    }

    /// The error with which the call must fail; nil if it may proceed.
    mutating func error(of call: Call) -> SystemError? {
        if let next = planned[call], !next.isEmpty {
            planned[call]?.removeFirst()
            return next[0]
        }
        guard let chance = chances[call], happens(chance.probability) else { return nil }
        return chance.errors.randomElement(using: &generator)
    }

    /// The part of the wanted bytes that a transfer may move.
    mutating func allowance(of wanted: Int) -> Int {
        let most = min(wanted, largestTransfer)
        return most > 1 && happens(shortTransfers) ? Int.random(in: 1..<most, using: &generator) : most
    }

    /// Bytes that fit into an empty pipe: one slot for each page of its capacity, and at least one byte in each slot.
    mutating func pipeRoom(_ capacity: Int) -> Int {
        happens(fragmentedPipes)
            ? Int.random(in: max(1, capacity / 4096)...max(1, capacity), using: &generator) : capacity
    }

    mutating func wouldBlock() -> Bool { happens(wouldBlocks) }
    mutating func resetsNow() -> Bool { happens(resets) }
    mutating func doublesEvent() -> Bool { happens(doubledEvents) }
    mutating func delaysEvent() -> Bool { happens(lateEvents) }
    /// Index of the event to repeat among `count` old events; nil for none.
    mutating func staleEvent(of count: Int) -> Int? {
        count > 0 && happens(staleEvents) ? Int.random(in: 0..<count, using: &generator) : nil
    }
    mutating func interruptsWait() -> Bool { happens(interruptedWaits) }
    func segmentSize() -> Int { largestSegment }

    private mutating func happens(_ probability: Double) -> Bool {
        probability > 0 && Double.random(in: 0..<1, using: &generator) < probability
    }
}
