import CLinux

/// The processors of the machine.
public enum Processors {
    /// The number of processors that this process may use, at least 1: those that it may run on (sched_setaffinity(2)),
    /// or fewer if the processor quota of its control groups is lower.
    public static var available: Int {
        let allowed = Int(linux_processors())
        return min(allowed, CPUQuota.processors() ?? allowed)
    }
}
