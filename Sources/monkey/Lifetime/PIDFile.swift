import Glibc

/// The file with the ID of a serving process, for `kill` and for service managers.
struct PIDFile: Sendable {
    private let path: String

    /// Writes the file, in one step for readers: a temporary file in the same directory replaces an older one.
    ///
    /// - Throws: ``CommandError``, which names the file.
    init(at path: String) throws(CommandError) {
        self.path = path
        var present = stat()
        if lstat(path, &present) == 0, present.st_mode & S_IFMT != S_IFREG {
            throw Self.error(path, "it exists and is not a regular file", advice: "choose another path")
        }
        let temporary = "\(path).\(getpid())"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw Self.error(path) }
        do throws(CommandError) {
            defer { close(descriptor) }
            try File.write(Array("\(getpid())\n".utf8), to: descriptor, named: path)
            guard rename(temporary, path) == 0 else { throw Self.error(path) }
        } catch {
            unlink(temporary)
            throw error
        }
    }

    /// Removes the file, unless it holds the ID of another process. Fails silently if the process is not allowed to: the
    /// next process replaces the file.
    func remove() {
        guard let bytes = try? File.read(path, maxBytes: 64) else { return }
        if bytes == Array("\(getpid())\n".utf8) { unlink(path) }
    }

    private static func error(
        _ path: String,
        _ cause: String = String(cString: strerror(errno)),
        advice: String = "choose a path in a writable directory"
    ) -> CommandError {
        CommandError("cannot write the PID file \(path): \(cause): \(advice) (--pid-file FILE, pid-file: FILE)")
    }
}
