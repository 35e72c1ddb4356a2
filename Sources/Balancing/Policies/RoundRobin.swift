import Randomness

/// Smooth weighted round-robin: the turns of each server are evenly spaced in virtual time, and the server with the
/// next turn is picked.
///
/// In each cycle of virtual time a server of weight w has w turns, at (k + p) / w of the cycle for k from 0 to w - 1,
/// where p is the phase of the server. The phases are spread evenly over the pool, so that servers of equal weight take
/// turns in order and the turns of a heavy server fall between those of light ones. All phases are shifted by the seed,
/// so that the workers do not all start at the same server.
///
/// Every sequence of picks as long as the sum of the weights therefore gives each server exactly its weight, from the
/// first pick on. This still holds when servers join or leave, because the turns of the other servers do not move. A
/// server that was unavailable takes its next turn and does not catch up on missed turns, so it is not flooded. A
/// changed weight applies from the server's next turn.
///
/// The better-known algorithm (nginx: add the weights to credits, pick the highest credit, subtract the sum from it)
/// keeps credits that were accumulated under outdated weights. When a server of weight 256 leaves a pool with two
/// servers of weight 1, one of these can get nothing for a hundred picks.
public struct RoundRobin: ~Copyable {
    @usableFromInline
    struct Turns {
        /// The time of the next turn.
        @usableFromInline var next: UInt64 = 0
        @usableFromInline var phase: UInt32
        /// The number of the next turn in its cycle.
        @usableFromInline var number: UInt32 = 0
        /// The weight with which the next turn was computed; 0 before the first.
        @usableFromInline var weight: UInt32 = 0

        @usableFromInline
        init(phase: UInt32) {
            self.phase = phase
        }
    }

    /// The length of a cycle. Time wraps around at 2^64, which is a multiple of the cycle, and is only compared with
    /// times less than one cycle away.
    @inlinable static var cycle: UInt64 { 1 << 32 }

    @usableFromInline let turns: UnsafeMutablePointer<Turns>
    @usableFromInline let count: Int
    /// The time of the last pick.
    @usableFromInline var now: UInt64

    /// - Parameters:
    ///   - servers: The number of servers of the pool.
    ///   - seed: Determines the first server of the rotation.
    public init(servers: Int, seed: UInt64) {
        self.init(servers: servers, seed: seed, beginningAt: 0)
    }

    init(servers: Int, seed: UInt64, beginningAt cycles: UInt64) {
        count = max(0, servers)
        now = cycles &* Self.cycle &- 1
        turns = .allocate(capacity: count)
        let offset = SplitMix64.mix(seed)
        for server in 0..<count {
            let phase = UInt64(server) * Self.cycle / UInt64(count) &+ offset
            (turns + server).initialize(to: Turns(phase: UInt32(truncatingIfNeeded: phase)))
        }
    }

    deinit {
        turns.deallocate()
    }

    /// Selects the server for a new connection; returns nil if none is available.
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
            // A turn in the past wraps around, so it is also more than a cycle away: the server was unavailable at that
            // turn.
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

// Sendable: the memory is owned by the policy alone and moves with it.
extension RoundRobin: @unchecked Sendable {}

extension RoundRobin.Turns {
    /// Computes the first turn after a time.
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

    /// Advances to the following turn.
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
        // A weight of 0 has no turns, and its turn is never requested.
        next = start &+ (UInt64(number) &* RoundRobin.cycle &+ UInt64(phase)) / max(1, UInt64(weight))
    }
}
