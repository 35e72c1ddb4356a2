import CLinux

/// The machine's processors.
package enum Processors {
    /// How many of them this process may run on, 1 at least.
    package static var available: Int {
        Int(linux_processors())
    }
}
