import CLinux
import Glibc

/// The file by which a listening Unix socket is found.
///
/// The kernel makes it at bind(2) and leaves it behind for ever, so a server makes way for itself before it binds and
/// takes its file along when it goes.
public struct UnixSocketFile: Hashable, Sendable {
    public let path: String
    private let identity: Identity

    /// The file of the socket that was just bound to a path; nil if there is none.
    public init?(at path: String) {
        guard let entry = Entry(at: path), entry.isSocket else { return nil }
        self.path = path
        identity = entry.identity
    }

    /// Removes the file, unless somebody has put another in its place.
    public func remove() {
        if Entry(at: path)?.identity == identity { unlink(path) }
    }

    /// Makes way for a socket that is to be bound to a path: removes what a server that is gone has left there.
    ///
    /// Only a socket that refuses connections is removed. Two servers that start on the same leftover at the same moment
    /// are not told apart: the later one gets the path.
    public static func prepare(_ path: String) throws(UnixSocketFileError) {
        guard let entry = Entry(at: path) else { return }
        guard entry.isSocket else { throw .notASocket(path: path) }
        guard let probe = probe(path) else { throw .inUse(path: path) }
        switch probe.code {
        case ECONNREFUSED:
            // It fails only where the directory may not be written, which then is what to mend.
            guard unlink(path) == 0 || Entry(at: path) == nil else { throw .cannotRemove(path: path) }
        case ENOENT: break
        // A full queue has an owner, and so has a socket of another type.
        case EAGAIN, EPROTOTYPE: throw .inUse(path: path)
        default: throw .cannotProbe(path: path, probe)
        }
    }

    /// Connects and hangs up at once; nil if somebody listens.
    private static func probe(_ path: String) -> SystemError? {
        let socket = linux_socket(AF_UNIX)
        if socket < 0 { return SystemError(result: socket) }
        defer { linux_close(Int32(socket)) }
        var address = RawAddress(.unix(path: path)).address
        let result = linux_connect(Int32(socket), &address)
        return result < 0 ? SystemError(result: result) : nil
    }

    private struct Identity: Hashable, Sendable {
        let device: UInt64
        let inode: UInt64
    }

    private struct Entry {
        let identity: Identity
        let isSocket: Bool

        init?(at path: String) {
            var information = stat()
            guard lstat(path, &information) == 0 else { return nil }
            identity = Identity(device: UInt64(information.st_dev), inode: UInt64(information.st_ino))
            isSocket = information.st_mode & S_IFMT == S_IFSOCK
        }
    }
}

/// Why a path is not free for a Unix socket.
public enum UnixSocketFileError: Error, Hashable, Sendable {
    /// Somebody listens there.
    case inUse(path: String)
    /// There is a file of another kind, which is never removed.
    case notASocket(path: String)
    /// What is left there cannot be removed: the directory is not ours to write.
    case cannotRemove(path: String)
    /// Whether somebody listens there cannot be told.
    case cannotProbe(path: String, SystemError)
}
