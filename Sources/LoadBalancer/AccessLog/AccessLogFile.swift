import Glibc

/// File of an access log. Appends only, may be reopened, and is used by one thread.
struct AccessLogFile: ~Copyable {
    private let path: String
    private var descriptor: Int32
    /// Whether an error truncated the last line, so that the next one must start with a line feed.
    private var isTorn = false

    /// Maximum time of one poll(2) for a slow reader, in milliseconds.
    private static let wait: Int32 = 100

    /// - Throws: ``AccessLogError``.
    init(at path: String) throws(AccessLogError) {
        self.path = path
        descriptor = try Self.open(path)
    }

    deinit {
        close(descriptor)
    }

    private static func open(_ path: String) throws(AccessLogError) -> Int32 {
        // Without O_NONBLOCK, a pipe that is not read would block the thread indefinitely.
        let flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY
        let descriptor = Glibc.open(path, flags, 0o640)
        guard descriptor >= 0 else { throw AccessLogError(path: path, errno) }
        return descriptor
    }

    /// Reopens the path; if that fails, keeps the current file.
    mutating func reopen() throws(AccessLogError) {
        let next = try Self.open(path)
        close(descriptor)
        descriptor = next
        isTorn = false
    }

    /// Writes complete lines.
    ///
    /// - Parameter mayWait: whether to keep waiting; called repeatedly while the reader of a pipe is slow.
    mutating func write(_ lines: String, mayWait: () -> Bool) throws(AccessLogError) {
        var text = isTorn ? "\n" + lines : lines
        var written = 0
        while written < text.utf8.count {
            let count = text.withUTF8 { Glibc.write(descriptor, $0.baseAddress! + written, $0.count - written) }
            if count >= 0 {
                written += count
                continue
            }
            let error = errno
            if error == EINTR { continue }
            guard error == EAGAIN, mayWait() else {
                isTorn = isTorn || written > 0
                throw AccessLogError(path: path, error)
            }
            var readiness = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            poll(&readiness, 1, Self.wait)
        }
        isTorn = false
    }
}

/// Why an access log cannot be written.
public struct AccessLogError: Error, Hashable, Sendable, CustomStringConvertible {
    let path: String
    let code: Int32

    init(path: String, _ code: Int32) {
        self.path = path
        self.code = code
    }

    /// One sentence: what failed and why.
    public var description: String { "cannot write the access log \(path): \(String(cString: strerror(code)))" }
}
