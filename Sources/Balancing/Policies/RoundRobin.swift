/// Smooth weighted round-robin: each server's turns lie evenly in time, and whoever's turn is next is picked.
///
/// Time is the policy's own. In each cycle of it a server of weight w has w turns, at (k + p) / w of the cycle for k from
/// 0 to w - 1, where p is the server's phase. The phases are spread evenly over the pool, so that equal servers take
/// turns in their order and the turns of a heavy one fall between those of the light ones. All phases are moved on by
/// the seed: workers do not all begin at the same server.
///
/// So every run of as many picks as the weights add up to gives each server its weight, exactly, from the first pick on.
/// That stays so when servers come and go, for the others' turns do not move. A server that was away takes its next
/// turn, and makes up for none: it is not flooded. A changed weight counts from the server's next turn.
///
/// The better known method (nginx's: add the weights to credits, pick the richest, take the sum from it) keeps debts that
/// were made under weights that no longer hold. When a server of weight 256 leaves two of weight 1, one of these can get
/// nothing for a hundred picks.
public struct RoundRobin: ~Copyable {
    @usableFromInline
    struct Turns {
        /// When the next turn is.
        @usableFromInline var next: UInt64 = 0
        @usableFromInline var phase: UInt32
        /// The number of the next turn in its cycle.
        @usableFromInline var number: UInt32 = 0
        /// The weight by which the next turn was found; 0 before the first.
        @usableFromInline var weight: UInt32 = 0

        @usableFromInline
        init(phase: UInt32) {
            self.phase = phase
        }
    }

    /// The length of a cycle. Time wraps around at 2^64, which is a whole number of cycles, and is only ever compared
    /// with times that are less than a cycle away.
    @inlinable static var cycle: UInt64 { 1 << 32 }

    @usableFromInline let turns: UnsafeMutablePointer<Turns>
    @usableFromInline let count: Int
    /// The time of the last pick.
    @usableFromInline var now: UInt64

    /// - Parameters:
    ///   - servers: how many the pool has.
    ///   - seed: where in the order to begin.
    public init(servers: Int, seed: UInt64) {
        self.init(servers: servers, seed: seed, beginningAt: 0)
    }

    init(servers: Int, seed: UInt64, beginningAt cycles: UInt64) {
        count = max(0, servers)
        now = cycles &* Self.cycle &- 1
        turns = .allocate(capacity: count)
        let offset = KeyHash.mix(seed)
        for server in 0..<count {
            let phase = UInt64(server) * Self.cycle / UInt64(count) &+ offset
            (turns + server).initialize(to: Turns(phase: UInt32(truncatingIfNeeded: phase)))
        }
    }

    deinit {
        turns.deallocate()
    }

    /// The server for a new connection, or nil if none is available.
    @inlinable
    public mutating func pick<V: ServerView & ~Copyable>(from view: borrowing V) -> Int? {
        pick(from: view, among: Candidates(backups: false)) ?? pick(from: view, among: Candidates(backups: true))
    }

    @inlinable
    mutating func pick<V: ServerView & ~Copyable>(from view: borrowing V, among candidates: Candidates) -> Int? {
        var best = -1
        var shortest = UInt64.max
        for server in 0..<min(count, view.count) {
            let weight = view.weight(of: server, among: candidates)
            guard weight > 0 else { continue }
            var wait = turns[server].next &- now
            // A turn in the past wraps around, and so is far away too: the server was not there for it.
            if wait > Self.cycle || turns[server].weight != UInt32(truncatingIfNeeded: weight) {
                turns[server].schedule(after: now, weight: weight)
                wait = turns[server].next &- now
            }
            if wait < shortest {
                best = server
                shortest = wait
            }
        }
        guard best >= 0 else { return nil }
        now = turns[best].next
        turns[best].advance()
        return best
    }
}

// The memory is the policy's alone, and goes where it goes.
extension RoundRobin: @unchecked Sendable {}

extension RoundRobin.Turns {
    /// Finds the first turn after a moment.
    @inlinable
    mutating func schedule(after moment: UInt64, weight: Int) {
        self.weight = UInt32(truncatingIfNeeded: weight)
        let mask = RoundRobin.cycle &- 1
        let earliest = (moment & mask &+ 1) &* UInt64(truncatingIfNeeded: weight)
        let start = moment & ~mask
        // The smallest number with (number * cycle + phase) / weight >= moment + 1.
        number = earliest <= phase ? 0 : UInt32(truncatingIfNeeded: (earliest &- UInt64(phase) &+ mask) >> 32)
        set(inCycleFrom: start)
    }

    /// Goes on to the turn after the next.
    @inlinable
    mutating func advance() {
        number &+= 1
        set(inCycleFrom: next & ~(RoundRobin.cycle &- 1))
    }

    @inlinable
    mutating func set(inCycleFrom start: UInt64) {
        var start = start
        if number >= weight {
            number = 0
            start &+= RoundRobin.cycle
        }
        // A weight of 0 has no turns, and is never asked for one.
        next = start &+ (UInt64(number) &* RoundRobin.cycle &+ UInt64(phase)) / max(1, UInt64(weight))
    }
}
