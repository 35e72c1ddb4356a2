import Glibc

/// The mode, the owner and the group of the file of a listening Unix socket. A client needs the write permission to
/// connect (unix(7)). A value that is nil stays as bind(2) sets it: by the umask, the user and the group of the process.
public struct UnixSocketPermissions: Hashable, Sendable {
    /// Permission bits, 0 to 0o777.
    public var mode: UInt32?
    public var owner: UInt32?
    public var group: UInt32?

    public init(mode: UInt32? = nil, owner: UInt32? = nil, group: UInt32? = nil) {
        self.mode = mode
        self.owner = owner
        self.group = group
    }

    /// Sets the permissions of a file. Clients cannot connect before listen(2), so a server that calls this between
    /// bind(2) and listen(2) is never reachable with other permissions.
    func apply(to path: String) throws(SystemError) {
        if owner != nil || group != nil {
            // All bits set means unchanged (chown(2)).
            guard lchown(path, owner ?? .max, group ?? .max) == 0 else { throw SystemError(code: errno) }
        }
        if let mode, chmod(path, mode) != 0 { throw SystemError(code: errno) }
    }
}
