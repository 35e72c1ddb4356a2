import Glibc

/// An error of a system call: its errno.
///
/// Would-block is not an error here but a value of each call's result; EINTR is retried where it happens.
public struct SystemError: Error, Hashable, Sendable {
    /// The number, as in errno(3).
    public let code: Int32

    /// - Parameter code: an errno, positive.
    public init(code: Int32) {
        self.code = code
    }

    /// EBADF and EFAULT are never the network's doing: they mean that this program used a descriptor it does not own, or
    /// a pointer to nowhere. Going on would harm some other connection, so they trap.
    @inlinable
    public init(result: Int64) {
        let code = Int32(truncatingIfNeeded: -result)
        if code == 9 || code == 14 { SystemError.trap(code) }
        self.init(code: code)
    }

    @usableFromInline
    static func trap(_ code: Int32) {
        preconditionFailure("a system call answered \(SystemError(code: code)): a bug in Monkey D. TCP")
    }

    /// The process or the machine has no descriptors or no memory to give just now. Waiting mends it; retrying at once
    /// spins.
    public var isExhaustion: Bool {
        code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM
    }

    /// The other side ended the connection abruptly: by a reset, or by having gone while we wrote.
    public var isReset: Bool {
        code == ECONNRESET || code == EPIPE || code == ECONNABORTED
    }
}

extension SystemError: CustomStringConvertible {
    /// The C library's words for it, such as "Connection refused".
    public var description: String {
        String(cString: strerror(code))
    }
}

extension SystemError {
    public static let connectionReset = SystemError(code: ECONNRESET)
    public static let connectionRefused = SystemError(code: ECONNREFUSED)
    public static let timedOut = SystemError(code: ETIMEDOUT)
    public static let addressInUse = SystemError(code: EADDRINUSE)
    public static let permissionDenied = SystemError(code: EACCES)
    public static let notPermitted = SystemError(code: EPERM)
    public static let addressNotAvailable = SystemError(code: EADDRNOTAVAIL)
    public static let invalidArgument = SystemError(code: EINVAL)
    public static let noSuchFile = SystemError(code: ENOENT)
    public static let tooManyOpenFiles = SystemError(code: EMFILE)
}
