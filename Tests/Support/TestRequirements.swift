import Glibc

/// What tests may need besides the Swift toolchain: programs from Debian packages, and root.
public enum TestRequirements {
    /// Whether a missing requirement is a failure and not a reason to skip a test: MONKEY_REQUIRE_SERVERS=1.
    public static var areRequired: Bool { getenv("MONKEY_REQUIRE_SERVERS").map { String(cString: $0) } == "1" }
}
