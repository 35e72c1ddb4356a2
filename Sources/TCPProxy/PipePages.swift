import Glibc

/// The memory for pipes that the system grants to one user (pipe(7), pipe-user-pages-soft).
enum PipePages {
    /// Pages that a pipe of the size we want takes: 1 MiB.
    static let perPipe = 256

    /// Pages that all pipes of this user may take, before new ones are given two; nil where there is no such limit, as
    /// for root.
    static var available: Int? {
        guard geteuid() != 0 else { return nil }
        guard let file = fopen("/proc/sys/fs/pipe-user-pages-soft", "r") else { return nil }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 32)
        guard fgets(&line, Int32(line.count), file) != nil else { return nil }
        let pages = Int(atol(line))
        return pages > 0 ? pages : nil
    }
}
