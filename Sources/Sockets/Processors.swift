import CLinux

/// The machine's processors.
public enum Processors {
    /// How many of them this process may run on, 1 at least.
    public static var available: Int {
        Int(linux_processors())
    }
}
