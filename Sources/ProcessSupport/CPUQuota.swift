import Glibc
import Sockets

/// The processor quota of the control groups of this process (cgroups(7)): a container may use all processors, but only
/// for a part of the time.
public enum CPUQuota {
    /// Maximum size of a file that is read, in bytes.
    private static let maxFileSize = 64 << 10
    /// Maximum number of nested groups that are examined.
    private static let maxDepth = 64

    /// Returns the quota as a number of processors, rounded up; nil if there is none.
    ///
    /// The groups are those that /proc/self/cgroup names. A group cannot use more than the groups that contain it, so
    /// the smallest quota on the path applies. In a container the path may begin outside of what is mounted; groups
    /// that are not visible are skipped.
    ///
    /// - Parameter root: folder that contains `proc` and `sys`, for tests.
    public static func processors(root: String = "") -> Int? {
        guard let groups = read("\(root)/proc/self/cgroup") else { return nil }
        let quotas = groups.split(separator: "\n").flatMap { line -> [Double] in
            // hierarchy:controllers:path
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { return [] }
            if fields[1].isEmpty {
                // cgroup v2, which a host with both versions mounts in a folder of its own.
                let mounts = ["\(root)/sys/fs/cgroup", "\(root)/sys/fs/cgroup/unified"]
                return mounts.flatMap { mount in folders(fields[2], in: mount).compactMap(unified) }
            }
            guard fields[1].split(separator: ",").contains("cpu") else { return [] }
            let mounts = ["\(root)/sys/fs/cgroup/cpu", "\(root)/sys/fs/cgroup/\(fields[1])"]
            return mounts.flatMap { mount in folders(fields[2], in: mount).compactMap(legacy) }
        }
        guard let least = quotas.min() else { return nil }
        return max(1, Int(min(least.rounded(.up), 1e6)))
    }

    /// Returns the folders of a group and of all groups that contain it.
    private static func folders(_ path: Substring, in mount: String) -> [String] {
        var folder = mount
        return [mount]
            + path.split(separator: "/").filter { $0 != ".." }.prefix(maxDepth).map { name in
                folder += "/\(name)"
                return folder
            }
    }

    /// Reads `cpu.max` of cgroup v2: a quota or `max`, and a period, in microseconds.
    private static func unified(_ folder: String) -> Double? {
        let numbers = read("\(folder)/cpu.max")?.split { $0 == " " || $0 == "\n" } ?? []
        guard numbers.count == 2 else { return nil }
        return processors(Int(numbers[0]), per: Int(numbers[1]))
    }

    /// Reads the files of cgroup v1; a quota of -1 is none.
    private static func legacy(_ folder: String) -> Double? {
        func number(_ file: String) -> Int? {
            read("\(folder)/\(file)")?.split(separator: "\n").first.flatMap { Int($0) }
        }
        return processors(number("cpu.cfs_quota_us"), per: number("cpu.cfs_period_us"))
    }

    private static func processors(_ quota: Int?, per period: Int?) -> Double? {
        guard let quota, let period, quota > 0, period > 0 else { return nil }
        return Double(quota) / Double(period)
    }

    private static func read(_ path: String) -> String? {
        guard let bytes = try? RegularFile.read(path, maxSize: maxFileSize) else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }
}
