import CLinux

/// The two clocks side by side, to turn moments of the one into times of the other.
public enum WallClock {
    /// Nanoseconds since 1970.
    public static var nanoseconds: UInt64 { linux_wall_nanoseconds() }

    /// What ``System/now()`` of the real system says.
    public static var monotonicNanoseconds: UInt64 { linux_monotonic_nanoseconds() }
}
