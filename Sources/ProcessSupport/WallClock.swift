import CLinux

/// The wall clock and the monotonic clock, for conversions between the two.
public enum WallClock {
    /// The wall clock time in nanoseconds since 1970.
    public static var nanoseconds: UInt64 { linux_wall_nanoseconds() }

    /// The monotonic time in nanoseconds, as returned by ``System/now()`` of the real system.
    public static var monotonicNanoseconds: UInt64 { linux_monotonic_nanoseconds() }
}
