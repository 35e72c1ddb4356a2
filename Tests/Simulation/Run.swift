import Glibc
import ProcessSupport
import Sockets
import Synchronization

/// Many seeds, run by several threads.
struct Run: Sendable {
    let seeds: Range<UInt64>
    var minutes: Double?
    var jobs = Processors.available
    var keepsGoing = false

    /// - Parameter text: `A..B`, such as `0..1000`.
    init?(_ text: String) {
        let parts = text.split(separator: "..", omittingEmptySubsequences: false)
        guard parts.count == 2, let first = UInt64(parts[0]), let end = UInt64(parts[1]), first < end else {
            return nil
        }
        seeds = first..<end
    }

    /// Totals of the seeds run.
    private struct Tally {
        var played = 0
        var failed: [UInt64] = []
        var totals = Simulation.Totals()

        mutating func add(_ outcome: Simulation.Outcome, of seed: UInt64) {
            played += 1
            if !outcome.complaints.isEmpty { failed.append(seed) }
            totals += outcome.totals
        }
    }

    /// State shared by the threads.
    private final class Course: Sendable {
        let next: Atomic<UInt64>
        let isOver = Atomic(false)
        let tally = Mutex(Tally())

        init(from first: UInt64) {
            next = Atomic(first)
        }
    }

    /// - Returns: whether no invariant was violated.
    func play() async -> Bool {
        let watch = SeedWatch(jobs: jobs)
        let course = Course(from: seeds.lowerBound)
        let start = ContinuousClock.now
        let end = minutes.map { start + .seconds($0 * 60) }
        await withTaskGroup { group in
            for job in 0..<jobs {
                group.addTask {
                    play(course, until: end) { seed in watch.during(seed, job) { Simulation.run(seed: seed) } }
                }
            }
        }
        return course.tally.withLock { report($0, after: ContinuousClock.now - start) }
    }

    private func play(
        _ course: Course,
        until end: ContinuousClock.Instant?,
        _ run: (UInt64) -> Simulation.Outcome
    ) {
        while !course.isOver.load(ordering: .relaxed), end.map({ .now < $0 }) ?? true {
            let seed = course.next.add(1, ordering: .relaxed).oldValue
            guard seed < seeds.upperBound else { return }
            let outcome = run(seed)
            course.tally.withLock { $0.add(outcome, of: seed) }
            guard let first = outcome.complaints.first else { continue }
            Simulate.complain("seed \(seed): \(first)")
            if !keepsGoing { course.isOver.store(true, ordering: .relaxed) }
        }
    }

    private func report(_ tally: Tally, after duration: Duration) -> Bool {
        let seconds = Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
        print(
            """
            \(tally.played) seeds in \((seconds * 10).rounded() / 10) s, \(Int(Double(tally.played) / seconds)) a second: \
            \(tally.totals.connections) connections, \(tally.totals.bytes) bytes, of these \(tally.totals.spliced) spliced, \
            \(tally.totals.turns) turns
            """
        )
        let closures = tally.totals.closures.filter { $0.value > 0 }.map {
            "\($0.key.reason) by \($0.key.initiator) \($0.value)"
        }
        print("Closes: \(closures.sorted().joined(separator: ", "))")
        let failures = tally.totals.failures.filter { $0.value > 0 }.map { "\($0.key) \($0.value)" }
        print("Failed attempts: \(failures.sorted().joined(separator: ", "))")
        guard !tally.failed.isEmpty else {
            print("OK: no invariant violated")
            return tally.played > 0
        }
        let seeds = tally.failed.sorted()
        Simulate.complain(
            "\(seeds.count) seeds failed: \(seeds.prefix(20).map(String.init).joined(separator: " "))"
        )
        Simulate.complain("To trace one: simulate --seed \(seeds[0])")
        return false
    }
}
