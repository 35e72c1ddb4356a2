import EventLoop
import Synchronization

/// Counters of one worker, on a page of their own so that no two workers share a cache line.
///
/// Only the worker's thread adds, with a plain load and store; any thread may read. Each counter is exact, but two
/// counters are not read at the same moment.
struct CounterPage: @unchecked Sendable {
    // Sendable: the memory holds only atomics, and its owner (`SharedMemory`) outlives every user of the page.
    private let counters: UnsafeMutablePointer<Atomic<Int>>
    private let pages: MappedMemory

    init() {
        pages = MappedMemory(bytes: 4096)
        counters = pages.base.bindMemory(to: Atomic<Int>.self, capacity: Counter.count)
        for index in 0..<Counter.count { (counters + index).initialize(to: Atomic(0)) }
    }

    func free() {
        pages.free()
    }

    /// Adds to a counter. Only the worker's own thread may call this.
    func add(_ amount: Int, to counter: Counter) {
        let value = counters[counter.index].load(ordering: .relaxed)
        counters[counter.index].store(value &+ amount, ordering: .relaxed)
    }

    subscript(counter: Counter) -> Int {
        counters[counter.index].load(ordering: .relaxed)
    }
}

/// Index of a counter in a ``CounterPage``.
struct Counter {
    let index: Int

    static var bytesUpstream: Counter { Counter(index: 0) }
    static var bytesDownstream: Counter { Counter(index: 1) }
    static var refused: Counter { Counter(index: 2) }
    static var discardedUpstream: Counter { Counter(index: 3) }
    static var discardedDownstream: Counter { Counter(index: 4) }
    static var eventsDropped: Counter { Counter(index: 5) }
    static var connectNanoseconds: Counter { Counter(index: 6) }
    static var recordsDropped: Counter { Counter(index: 7) }

    static var pipesInUse: Counter { Counter(index: 10) }
    static var pipeAllocationFailures: Counter { Counter(index: 11) }
    static var splicedUpstream: Counter { Counter(index: 12) }
    static var splicedDownstream: Counter { Counter(index: 13) }
    static var memoryAllocationFailures: Counter { Counter(index: 15) }

    static func pause(_ cause: AcceptPause) -> Counter {
        Counter(index: 8 + Int(cause.rawValue))
    }

    static func failure(_ cause: ConnectFailure) -> Counter {
        Counter(index: 16 + Int(cause.rawValue))
    }

    static func handshakes(isResumed: Bool) -> Counter { Counter(index: isResumed ? 25 : 24) }
    static var truncatedUpstream: Counter { Counter(index: 26) }
    static var truncatedDownstream: Counter { Counter(index: 27) }

    static func closure(_ reason: CloseReason, _ initiator: CloseInitiator) -> Counter {
        Counter(index: 32 + Int(reason.rawValue) * CloseInitiator.allCases.count + Int(initiator.rawValue))
    }

    /// - Parameter bucket: an index of ``DurationHistogram/counts``.
    static func connectTime(bucket: Int) -> Counter {
        Counter(index: 80 + bucket)
    }

    static func denied(_ cause: DenyReason) -> Counter {
        Counter(index: 100 + Int(cause.rawValue))
    }

    /// - Parameter cause: one of ``DenyReason/limits``.
    static func dryRun(_ cause: DenyReason) -> Counter {
        Counter(index: 120 + Int(cause.rawValue))
    }

    static var count: Int { 128 }
}
