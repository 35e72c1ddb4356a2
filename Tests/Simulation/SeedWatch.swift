import Glibc
import Synchronization

/// Records which seed each thread runs, so that a seed that crashes the process, or never ends, can be named.
final class SeedWatch: Sendable {
    /// Seconds of real time after which a seed counts as hanging.
    static let patience: UInt32 = 300

    /// Storage for the signal handler, which must not use locks or memory allocation.
    private final class Slots: @unchecked Sendable {
        // Sendable: two words for each job that only its thread writes; a handler reads them on that thread, or when
        // nothing waits for the process any more.
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

    /// - Parameter jobs: number of threads. At most one instance in a process: its signal handlers stay installed.
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
        // One alarm for all threads: it fires if no seed has begun for that long.
        alarm(Self.patience)
        defer { slots.seeds[job] = .max }
        return body()
    }

    /// Writes the seed of the thread that received the signal, or all of them, and ends the process by that signal.
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
