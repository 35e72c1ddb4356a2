import Glibc
import Synchronization

/// Number of open descriptors of the process, counted in /proc at most once per second, because a process may have
/// many.
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

    /// Number of open descriptors, counted on each call; 0 if /proc is not available.
    static var now: Int {
        guard let directory = opendir("/proc/self/fd") else { return 0 }
        defer { closedir(directory) }
        var entries = 0
        while readdir(directory) != nil { entries += 1 }
        // Minus the entries `.` and `..` and the descriptor of the directory itself.
        return max(0, entries - 3)
    }
}
