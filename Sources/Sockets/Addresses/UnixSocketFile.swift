import CLinux
import Glibc

/// The file system entry of a listening Unix socket.
///
/// The kernel creates it at bind(2) and never removes it. A server therefore removes a stale file before it binds, and
/// its own file when it stops.
public struct UnixSocketFile: Hashable, Sendable {
    public let path: String
    private let identity: Identity

    /// Reads the entry of the socket that was just bound to a path; returns nil if there is none, as for an abstract
    /// name.
    public init?(at path: String) {
        guard !SocketAddress.unix(path: path).isAbstract, let entry = Entry(at: path), entry.isSocket else {
            return nil
        }
        self.path = path
        identity = entry.identity
    }

    /// Removes the file, unless it has been replaced by another one.
    public func remove() {
        if Entry(at: path)?.identity == identity { unlink(path) }
    }

    /// Prepares a path for bind(2): removes the stale socket file of a server that is no longer running.
    ///
    /// Only a socket that refuses connections is removed. If two servers start at the same time on the same stale file,
    /// both succeed and the later one gets the path.
    /// An abstract name needs no preparation: the kernel frees it with its last socket.
    public static func prepare(_ path: String) throws(UnixSocketFileError) {
        guard !SocketAddress.unix(path: path).isAbstract else { return }
        guard let entry = Entry(at: path) else { return }
        guard entry.isSocket else { throw .notASocket(path: path) }
        guard let probe = probe(path) else { throw .inUse(path: path) }
        switch probe.code {
        case ECONNREFUSED:
            // Fails only if the directory is not writable; the operator has to fix that.
            guard unlink(path) == 0 || Entry(at: path) == nil else { throw .cannotRemove(path: path) }
        case ENOENT: break
        // A socket with a full backlog is in use, and so is a socket of another type.
        case EAGAIN, EPROTOTYPE: throw .inUse(path: path)
        default: throw .cannotProbe(path: path, probe)
        }
    }

    /// Connects and closes immediately; returns nil if a server is listening.
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

/// The reason why a path is not available for a Unix socket.
public enum UnixSocketFileError: Error, Hashable, Sendable {
    /// A server is listening on the path.
    case inUse(path: String)
    /// The path is a file of another kind, which is never removed.
    case notASocket(path: String)
    /// The stale file cannot be removed because the directory is not writable.
    case cannotRemove(path: String)
    /// Whether a server is listening cannot be determined.
    case cannotProbe(path: String, SystemError)
}
