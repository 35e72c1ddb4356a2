import Glibc
import Synchronization

/// Knows which seed each thread plays, so that one which ends the process, or never ends, can be named.
final class SeedWatch: Sendable {
    /// A seed that takes so long of real time does not end.
    static let patience: UInt32 = 300

    /// For the signal handler, which may touch nothing that needs a lock or memory.
    private final class Slots: @unchecked Sendable {
        // Sendable: two words for each job that its thread alone writes, and a handler that reads them on that thread,
        // or when nobody waits for the process any more.
        let seeds: UnsafeMutablePointer<UInt64>
        let threads: UnsafeMutablePointer<pthread_t>
        let count: Int

        init(_ count: Int) {
            self.count = count
            seeds = .allocate(capacity: count)
            seeds.initialize(repeating: .max, count: count)
            threads = .allocate(capacity: count)
            threads.initialize(repeating: pthread_self(), count: count)
        }
    }

    private let slots: Slots
    nonisolated(unsafe) private static var current: Slots?

    /// - Parameter jobs: how many threads play. For one run in a process: its handlers stay.
    init(jobs: Int) {
        slots = Slots(jobs)
        Self.current = slots
        for number in [SIGILL, SIGTRAP, SIGSEGV, SIGABRT, SIGBUS, SIGALRM] {
            signal(number) { SeedWatch.nameSeeds($0) }
        }
        alarm(Self.patience)
    }

    func during<Result>(_ seed: UInt64, _ job: Int, _ body: () -> Result) -> Result {
        slots.seeds[job] = seed
        slots.threads[job] = pthread_self()
        // One alarm for all: it rings when no seed has been begun for so long.
        alarm(Self.patience)
        defer { slots.seeds[job] = .max }
        return body()
    }

    /// Writes the seed of the thread that the signal has met, or all of them, and ends the process by it.
    private static func nameSeeds(_ number: Int32) {
        if let slots = current {
            for job in 0..<slots.count where slots.seeds[job] != .max {
                guard number == SIGALRM || pthread_equal(slots.threads[job], pthread_self()) != 0 else { continue }
                write(number == SIGALRM ? "does not end: seed " : "ends the process: seed ")
                write(slots.seeds[job])
                write("\n")
            }
        }
        signal(number, SIG_DFL)
        raise(number)
    }

    private static func write(_ text: StaticString) {
        _ = Glibc.write(STDERR_FILENO, text.utf8Start, text.utf8CodeUnitCount)
    }

    private static func write(_ number: UInt64) {
        var divisor: UInt64 = 1
        while number / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            var digit = UInt8(48 + number / divisor % 10)
            _ = Glibc.write(STDERR_FILENO, &digit, 1)
            divisor /= 10
        }
    }
}
