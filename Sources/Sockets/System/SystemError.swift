import Glibc

/// The error of a system call: its errno.
///
/// Would-block is not an error but a case of the result of each call. EINTR is retried inside the call.
public struct SystemError: Error, Hashable, Sendable {
    /// The error number (errno(3)).
    public let code: Int32

    /// - Parameter code: An errno, positive.
    public init(code: Int32) {
        self.code = code
    }

    /// Creates an error from the result of a system call (minus errno).
    ///
    /// Traps on EBADF and EFAULT. They are never caused by the network: this program has used a descriptor that it does
    /// not own, or an invalid pointer. Continuing could corrupt another connection.
    @inlinable
    public init(result: Int64) {
        let code = Int32(truncatingIfNeeded: -result)
        if code == 9 || code == 14 { SystemError.trap(code) }
        self.init(code: code)
    }

    @usableFromInline
    static func trap(_ code: Int32) {
        preconditionFailure("a system call failed with \(SystemError(code: code)): a bug in Monkey D. TCP")
    }

    /// Whether the process or the machine is out of descriptors or memory. Waiting helps; retrying immediately spins.
    public var isExhaustion: Bool {
        code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM
    }

    /// Whether the machine has no IPv6: the address family or the address does not exist (ipv6(7)).
    public var isIPv6Unavailable: Bool { code == EAFNOSUPPORT || code == EADDRNOTAVAIL }

    /// Whether the peer ended the connection abruptly: by a reset, or by closing before the data was written.
    public var isReset: Bool {
        code == ECONNRESET || code == EPIPE || code == ECONNABORTED
    }
}

extension SystemError: CustomStringConvertible {
    /// The C library's message, such as "Connection refused".
    public var description: String {
        String(cString: strerror(code))
    }
}

extension SystemError {
    /// The peer reset the connection (ECONNRESET).
    public static let connectionReset = SystemError(code: ECONNRESET)
    /// No socket listens on the address (ECONNREFUSED).
    public static let connectionRefused = SystemError(code: ECONNREFUSED)
    /// The peer did not respond in time (ETIMEDOUT).
    public static let timedOut = SystemError(code: ETIMEDOUT)
    /// Another socket uses the address (EADDRINUSE).
    public static let addressInUse = SystemError(code: EADDRINUSE)
    /// Permission denied (EACCES).
    public static let permissionDenied = SystemError(code: EACCES)
    /// Operation not permitted (EPERM).
    public static let notPermitted = SystemError(code: EPERM)
    /// The address does not belong to this machine (EADDRNOTAVAIL).
    public static let addressNotAvailable = SystemError(code: EADDRNOTAVAIL)
    /// An argument is invalid (EINVAL).
    public static let invalidArgument = SystemError(code: EINVAL)
    /// The file does not exist (ENOENT).
    public static let noSuchFile = SystemError(code: ENOENT)
    /// The system is out of memory (ENOMEM).
    public static let outOfMemory = SystemError(code: ENOMEM)
    /// The peer violated a protocol (EPROTO): TLS, for example.
    public static let protocolError = SystemError(code: EPROTO)
    /// The process has no free descriptor (EMFILE).
    public static let tooManyOpenFiles = SystemError(code: EMFILE)
}
