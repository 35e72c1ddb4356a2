import Glibc
import ProcessSupport

/// Limit of the kernel on the pipe memory of one user (pipe(7), pipe-user-pages-soft).
enum PipePages {
    /// Pages of a pipe of the requested size, 1 MiB.
    static let perPipe = 256

    /// Returns the pages that all pipes of one user may use before the kernel limits new pipes to two pages each; nil if
    /// there is no limit.
    ///
    /// - Parameter dropsPrivileges: whether the process loses its present privileges before it opens pipes.
    static func available(dropsPrivileges: Bool) -> Int? {
        guard dropsPrivileges || !Capabilities.exceedsResourceLimits else { return nil }
        guard let file = fopen("/proc/sys/fs/pipe-user-pages-soft", "r") else { return nil }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 32)
        guard fgets(&line, Int32(line.count), file) != nil else { return nil }
        let pages = Int(atol(line))
        return pages > 0 ? pages : nil
    }
}
