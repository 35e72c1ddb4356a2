import CLinux

/// Memory of the process that is allocated from the system in whole pages.
public enum SystemMemory {
    /// Allocates zeroed pages of their own mapping; returns nil if the system is out of memory or mappings.
    ///
    /// - Parameters:
    ///   - bytes: The size; it is rounded up to whole pages.
    ///   - alignment: A power of two; the pages begin at a multiple of it.
    public static func allocatePages(_ bytes: Int, alignedTo alignment: Int) -> UnsafeMutableRawPointer? {
        alignment > 4096 ? linux_pages_aligned(bytes, alignment) : linux_pages(bytes)
    }
}
