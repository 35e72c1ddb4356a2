import CLinux

/// The limit of open descriptors of the process (getrlimit(2), RLIMIT_NOFILE).
public enum DescriptorLimit {
    /// The maximum number of descriptors that the process may have open.
    public static var current: Int {
        limits.soft
    }

    /// Raises the soft limit to the hard limit, as far as an unprivileged process may, and returns the resulting limit.
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
