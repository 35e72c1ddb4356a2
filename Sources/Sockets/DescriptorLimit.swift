import CLinux

/// The process's limit of open descriptors (getrlimit(2), RLIMIT_NOFILE).
public enum DescriptorLimit {
    /// How many descriptors the process may have open now.
    public static var current: Int {
        limits.soft
    }

    /// Raises the limit as far as an unprivileged process may, and returns what it is then.
    @discardableResult
    public static func raise() -> Int {
        let (soft, hard) = limits
        if soft < hard { _ = linux_set_descriptor_limit(UInt64(hard), UInt64(hard)) }
        return current
    }

    private static var limits: (soft: Int, hard: Int) {
        var soft: UInt64 = 0
        var hard: UInt64 = 0
        _ = linux_descriptor_limit(&soft, &hard)
        return (Int(clamping: soft), Int(clamping: hard))
    }
}
