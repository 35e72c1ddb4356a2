import Synchronization

/// A set of workers: a bit for each.
struct WorkerSet: Sendable, Equatable {
    /// Maximum number of workers of a process.
    static var capacity: Int { 256 }
    fileprivate static var bitsPerWord: Int { UInt64.bitWidth }

    fileprivate typealias Words = (UInt64, UInt64, UInt64, UInt64)

    fileprivate var words: Words

    fileprivate init(_ words: Words) { self.words = words }

    static var none: WorkerSet { WorkerSet((0, 0, 0, 0)) }
    static var all: WorkerSet { WorkerSet((.max, .max, .max, .max)) }

    static func == (left: WorkerSet, right: WorkerSet) -> Bool { left.words == right.words }

    var isEmpty: Bool { words == (0, 0, 0, 0) }

    /// - Parameter worker: a number below ``capacity``.
    func contains(_ worker: Int) -> Bool { self[worker / Self.bitsPerWord] & Self.bit(worker) != 0 }

    func inserting(_ worker: Int) -> WorkerSet {
        var set = self
        set[worker / Self.bitsPerWord] |= Self.bit(worker)
        return set
    }

    func subtracting(_ other: WorkerSet) -> WorkerSet {
        WorkerSet(
            (
                words.0 & ~other.words.0, words.1 & ~other.words.1, words.2 & ~other.words.2, words.3 & ~other.words.3
            )
        )
    }

    /// Returns the first worker from `start` on, continuing with the first worker after the last one; nil if the set is
    /// empty.
    func first(from start: Int) -> Int? {
        let (word, bit) = (start / Self.bitsPerWord, start % Self.bitsPerWord)
        // The word of the start is examined twice: from the start on, and at the end the rest of it.
        let above = self[word] & (.max << UInt64(bit))
        if above != 0 { return word * Self.bitsPerWord + above.trailingZeroBitCount }
        var offset = 1
        while offset <= Self.capacity / Self.bitsPerWord {
            let next = (word + offset) % (Self.capacity / Self.bitsPerWord)
            if self[next] != 0 { return next * Self.bitsPerWord + self[next].trailingZeroBitCount }
            offset += 1
        }
        return nil
    }

    fileprivate static func bit(_ worker: Int) -> UInt64 { 1 << UInt64(worker % bitsPerWord) }

    private subscript(word: Int) -> UInt64 {
        get {
            switch word {
            case 0: words.0
            case 1: words.1
            case 2: words.2
            default: words.3
            }
        }
        set {
            switch word {
            case 0: words.0 = newValue
            case 1: words.1 = newValue
            case 2: words.2 = newValue
            default: words.3 = newValue
            }
        }
    }
}

/// A ``WorkerSet`` in memory that workers share. All operations are sequentially consistent.
struct AtomicWorkerSet: ~Copyable {
    private let first = Atomic<UInt64>(0)
    private let second = Atomic<UInt64>(0)
    private let third = Atomic<UInt64>(0)
    private let fourth = Atomic<UInt64>(0)

    /// The workers in the set. Its words are not read at the same moment.
    var current: WorkerSet {
        WorkerSet(
            (
                first.load(ordering: .sequentiallyConsistent), second.load(ordering: .sequentiallyConsistent),
                third.load(ordering: .sequentiallyConsistent), fourth.load(ordering: .sequentiallyConsistent)
            )
        )
    }

    func insert(_ worker: Int) {
        let bit = WorkerSet.bit(worker)
        switch worker / WorkerSet.bitsPerWord {
        case 0: first.bitwiseOr(bit, ordering: .sequentiallyConsistent)
        case 1: second.bitwiseOr(bit, ordering: .sequentiallyConsistent)
        case 2: third.bitwiseOr(bit, ordering: .sequentiallyConsistent)
        default: fourth.bitwiseOr(bit, ordering: .sequentiallyConsistent)
        }
    }

    /// Removes a worker.
    ///
    /// - Returns: whether the set contained it: of several callers, one removes it.
    @discardableResult
    func remove(_ worker: Int) -> Bool {
        let bit = WorkerSet.bit(worker)
        let before =
            switch worker / WorkerSet.bitsPerWord {
            case 0: first.bitwiseAnd(~bit, ordering: .sequentiallyConsistent).oldValue
            case 1: second.bitwiseAnd(~bit, ordering: .sequentiallyConsistent).oldValue
            case 2: third.bitwiseAnd(~bit, ordering: .sequentiallyConsistent).oldValue
            default: fourth.bitwiseAnd(~bit, ordering: .sequentiallyConsistent).oldValue
            }
        return before & bit != 0
    }
}
