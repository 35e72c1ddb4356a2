import CLinux
import Glibc

/// Whole pages allocated directly from the system, so that freeing them is certain to return the memory.
public struct MappedMemory {
    public let base: UnsafeMutableRawPointer
    public let bytes: Int

    /// Allocates zeroed pages for a table that the program cannot work without. If the system refuses them, the program
    /// ends with one line on standard error and exit code 1. Memory for one connection is allocated with
    /// ``System/allocatePages(_:alignedTo:)``.
    public init(bytes: Int) {
        guard let base = linux_pages(bytes) else {
            // Not a trap: Swift prints the stacks of all threads then, for which there is no memory either.
            let message = Array(
                """
                Error: cannot allocate \(bytes) bytes: out of memory: raise the limit on memory (ulimit -v, memory.max of \
                the cgroup), or lower --max-connections and --threads

                """
                .utf8
            )
            _ = write(STDERR_FILENO, message, message.count)
            _exit(EXIT_FAILURE)
        }
        self.init(base: base, bytes: bytes)
    }

    /// Takes over pages that have been allocated with ``System/allocatePages(_:alignedTo:)``.
    public init(base: UnsafeMutableRawPointer, bytes: Int) {
        self.base = base
        self.bytes = bytes
    }

    public func free() {
        Self.free(base, bytes: bytes)
    }

    public static func free(_ base: UnsafeMutableRawPointer, bytes: Int) {
        linux_pages_free(base, bytes)
    }

    /// Returns the memory of whole pages to the system. They stay mapped, and read as zero.
    public static func discard(_ base: UnsafeMutableRawPointer, bytes: Int) {
        linux_pages_discard(base, bytes)
    }
}
