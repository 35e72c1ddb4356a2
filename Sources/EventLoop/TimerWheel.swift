public import Sockets

/// A hierarchical timer wheel with one timer per slot of a slab. Setting, canceling and expiring a timer take constant
/// time, independent of the number of timers (Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987,
/// scheme 7).
///
/// The resolution is 1 ms. A timer never expires early; it expires late by less than one tick plus the delay of the
/// caller. The wheel is pure: it does not read a clock.
public struct TimerWheel: ~Copyable {
    private static var levels: Int { 4 }
    private static var bitsPerLevel: UInt64 { 6 }
    private static var slotsPerLevel: Int { 64 }
    private static var nanosecondsPerTick: UInt64 { 1_000_000 }
    /// The range of the wheel in ticks (4.66 hours). A later timer is placed at the end of the range and rescheduled
    /// there.
    private static var horizon: UInt64 { 1 << (bitsPerLevel * UInt64(levels)) }
    /// The list of the timers that have expired and have not been taken yet.
    private static var expired: Int { levels * slotsPerLevel }

    private struct Node {
        var deadline: UInt64
        /// The neighbors in the list, as timer number plus 1; 0 is none.
        var next: Int32
        var previous: Int32
        /// The number of the list that contains the timer, plus 1; 0 is none.
        var list: Int32
    }

    private let pages: MappedMemory
    private let nodes: UnsafeMutablePointer<Node>
    /// The first timer of each list, encoded as in `Node.next`.
    private let heads: UnsafeMutablePointer<Int32>
    private var occupied: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    private let origin: Instant
    /// The last tick that has been processed.
    private var current: UInt64 = 0
    public let capacity: Int

    /// - Parameters:
    ///   - capacity: The number of timers; they are numbered from 0.
    ///   - now: The origin of the wheel; no timer expires before it.
    public init(capacity: Int, now: Instant) {
        self.capacity = capacity
        origin = now
        pages = MappedMemory(bytes: capacity * MemoryLayout<Node>.stride)
        nodes = pages.base.bindMemory(to: Node.self, capacity: capacity)
        heads = .allocate(capacity: Self.expired + 1)
        heads.initialize(repeating: 0, count: Self.expired + 1)
    }

    deinit {
        heads.deallocate()
        pages.free()
    }

    /// Sets a timer, or changes its deadline.
    public mutating func schedule(_ timer: Int, at deadline: Instant) {
        precondition(timer < capacity, "timer \(timer) is out of range: the capacity is \(capacity)")
        unlink(timer)
        nodes[timer].deadline = tick(of: deadline)
        place(timer)
    }

    /// Cancels a timer; does nothing if it is not set.
    public mutating func cancel(_ timer: Int) {
        unlink(timer)
    }

    public func isScheduled(_ timer: Int) -> Bool {
        nodes[timer].list != 0
    }

    /// The time of the next ``advance(to:)``: never later than the next timer, but possibly earlier; nil if no timer is
    /// set.
    public var nextWake: Instant? {
        if heads[Self.expired] != 0 { return instant(of: current) }
        guard let tick = nextTick else { return nil }
        return instant(of: tick)
    }

    /// Advances the wheel; ``nextExpired()`` then returns the timers that are due.
    public mutating func advance(to now: Instant) {
        let target = now > origin ? (now.nanoseconds - origin.nanoseconds) / Self.nanosecondsPerTick : 0
        while let next = nextTick, next <= target {
            current = next
            turn()
        }
        current = max(current, target)
    }

    /// Removes and returns a timer that is due. The timer may be set again immediately.
    public mutating func nextExpired() -> Int? {
        let head = heads[Self.expired]
        guard head != 0 else { return nil }
        let timer = Int(head) - 1
        unlink(timer)
        return timer
    }
}

// MARK: - Implementation

extension TimerWheel {
    private func tick(of instant: Instant) -> UInt64 {
        guard instant > origin else { return 0 }
        let nanoseconds = instant.nanoseconds - origin.nanoseconds
        let ticks = nanoseconds / Self.nanosecondsPerTick
        return nanoseconds % Self.nanosecondsPerTick == 0 ? ticks : ticks + 1
    }

    private func instant(of tick: UInt64) -> Instant {
        let (nanoseconds, overflow) = tick.multipliedReportingOverflow(by: Self.nanosecondsPerTick)
        let (sum, carried) = origin.nanoseconds.addingReportingOverflow(nanoseconds)
        return Instant(nanoseconds: overflow || carried ? .max : sum)
    }

    private mutating func place(_ timer: Int) {
        let deadline = nodes[timer].deadline
        guard deadline > current else { return link(timer, into: Self.expired) }
        let ahead = min(deadline - current, Self.horizon - 1)
        let level = (63 - ahead.leadingZeroBitCount) / Int(Self.bitsPerLevel)
        let slot = Int(((current + ahead) >> (Self.bitsPerLevel * UInt64(level))) & 63)
        link(timer, into: level * Self.slotsPerLevel + slot)
    }

    /// The next tick at which a list is due: a list of the lowest level expires, a list of a higher level is
    /// redistributed.
    private var nextTick: UInt64? {
        var soonest: UInt64?
        for level in 0..<Self.levels {
            let bits = mask(level)
            guard bits != 0 else { continue }
            let shift = Self.bitsPerLevel * UInt64(level)
            let position = current >> shift
            // Rotated so that bit 0 is the slot after the current one. The current slot comes last: it is a full
            // rotation ahead.
            let ahead = (position + 1) & 63
            let rotated = bits >> ahead | (ahead == 0 ? 0 : bits << (64 - ahead))
            let tick = (position + 1 + UInt64(rotated.trailingZeroBitCount)) << shift
            soonest = min(soonest ?? tick, tick)
        }
        return soonest
    }

    /// Processes all lists that are due at the current tick. The highest level comes first, because its timers may move
    /// to lower levels.
    private mutating func turn() {
        for level in (0..<Self.levels).reversed() {
            let shift = Self.bitsPerLevel * UInt64(level)
            guard current & ((1 << shift) - 1) == 0 else { continue }
            let list = level * Self.slotsPerLevel + Int((current >> shift) & 63)
            while heads[list] != 0 {
                let timer = Int(heads[list]) - 1
                unlink(timer)
                place(timer)
            }
        }
    }

    private mutating func link(_ timer: Int, into list: Int) {
        let head = heads[list]
        nodes[timer].next = head
        nodes[timer].previous = 0
        nodes[timer].list = Int32(list) + 1
        if head != 0 { nodes[Int(head) - 1].previous = Int32(timer) + 1 }
        heads[list] = Int32(timer) + 1
        if list < Self.expired { setMask(list, true) }
    }

    private mutating func unlink(_ timer: Int) {
        let node = nodes[timer]
        guard node.list != 0 else { return }
        let list = Int(node.list) - 1
        if node.previous == 0 { heads[list] = node.next } else { nodes[Int(node.previous) - 1].next = node.next }
        if node.next != 0 { nodes[Int(node.next) - 1].previous = node.previous }
        nodes[timer].list = 0
        if heads[list] == 0, list < Self.expired { setMask(list, false) }
    }

    private func mask(_ level: Int) -> UInt64 {
        switch level {
        case 0: occupied.0
        case 1: occupied.1
        case 2: occupied.2
        default: occupied.3
        }
    }

    private mutating func setMask(_ list: Int, _ isOccupied: Bool) {
        let bit: UInt64 = 1 << UInt64(list % Self.slotsPerLevel)
        func update(_ mask: inout UInt64) { mask = isOccupied ? mask | bit : mask & ~bit }
        switch list / Self.slotsPerLevel {
        case 0: update(&occupied.0)
        case 1: update(&occupied.1)
        case 2: update(&occupied.2)
        default: update(&occupied.3)
        }
    }
}
