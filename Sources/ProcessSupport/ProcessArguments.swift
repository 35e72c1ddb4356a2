import CLinux

/// The arguments of this process.
public enum ProcessArguments {
    /// The arguments without the name of the program, as passed to main. `CommandLine.arguments` reads them from
    /// /proc/self/cmdline, and is empty where /proc is not mounted.
    public static var all: [String] {
        let count = linux_argument_count()
        guard count > 0 else { return Array(CommandLine.arguments.dropFirst()) }
        return (1..<max(1, count)).map { index in linux_argument(index).map { String(cString: $0) } ?? "" }
    }
}
