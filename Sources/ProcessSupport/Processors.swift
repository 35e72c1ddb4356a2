import CLinux

/// The processors of the machine.
public enum Processors {
    /// The number of processors that this process may run on, at least 1.
    public static var available: Int {
        Int(linux_processors())
    }
}
