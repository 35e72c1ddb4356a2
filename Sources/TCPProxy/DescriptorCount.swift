import Glibc
import Synchronization

/// How many descriptors the process has open: counted in /proc, and not more often than once a second, since a process
/// may have many.
final class DescriptorCount: Sendable {
    private let last = Mutex<(at: ContinuousClock.Instant, count: Int)?>(nil)

    static let age: Duration = .seconds(1)

    var current: Int {
        last.withLock { last in
            let now = ContinuousClock.now
            if let last, now - last.at < Self.age { return last.count }
            let count = Self.now
            last = (now, count)
            return count
        }
    }

    /// Counted now; 0 where /proc is not to be had.
    static var now: Int {
        guard let directory = opendir("/proc/self/fd") else { return 0 }
        defer { closedir(directory) }
        var entries = 0
        while readdir(directory) != nil { entries += 1 }
        // Neither the two directories' own entries nor the descriptor of this walk.
        return max(0, entries - 3)
    }
}
