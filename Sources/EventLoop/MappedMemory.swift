import CLinux

/// Whole pages allocated directly from the system, so that freeing them is certain to return the memory.
public struct MappedMemory {
    public let base: UnsafeMutableRawPointer
    public let bytes: Int

    /// Allocates zeroed pages. Traps if the system is out of memory, as every Swift allocation does.
    public init(bytes: Int) {
        guard let base = linux_pages(bytes) else { preconditionFailure("out of memory: \(bytes) bytes") }
        self.base = base
        self.bytes = bytes
    }

    public func free() {
        Self.free(base, bytes: bytes)
    }

    public static func free(_ base: UnsafeMutableRawPointer, bytes: Int) {
        linux_pages_free(base, bytes)
    }
}
