import CTLS
import Glibc
import Synchronization

/// The certificates of trusted authorities, shared by contexts.
final class TrustStore: Sendable {
    // Safe: not changed after `init`, except for the library's own reference counts.
    nonisolated(unsafe) let pointer: OpaquePointer

    /// - Throws: ``TLSError/authorities(_:_:)``, ``TLSError/noLibrary``.
    init(_ authorities: PEMText) throws(TLSError) {
        guard TLSLibrary.isAvailable else { throw .noLibrary }
        var made: OpaquePointer?
        try withReason {
            made = ctls_trust_new(authorities.bytes, authorities.bytes.count, $0, $1)
            return made != nil
        } orThrow: {
            .authorities(authorities.name, $0)
        }
        pointer = made!
    }

    deinit {
        ctls_trust_free(pointer)
    }
}

/// The authorities that the system trusts.
enum SystemTrust {
    /// The files of Debian, Fedora, SUSE and Alpine.
    static let paths = [
        "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/cert.pem",
    ]
    /// The maximum size of the file in bytes.
    static let maxSize = 16 * 1024 * 1024

    /// The authorities read last, because the file has more than a hundred, and several pools may need them.
    private static let latest = Mutex<(version: FileVersion, store: TrustStore)?>(nil)

    /// Returns the authorities in the first file that exists; reads it only if it has changed.
    static func load() throws(TLSError) -> TrustStore {
        for path in paths {
            guard let version = try? FileVersion(of: path) else { continue }
            if let known = latest.withLock({ $0?.version == version ? $0?.store : nil }) { return known }
            guard let authorities = read(path) else { continue }
            let store = try TrustStore(authorities)
            latest.withLock { $0 = (version, store) }
            return store
        }
        throw .noSystemAuthorities
    }

    private static func read(_ path: String) -> PEMText? {
        guard let file = fopen(path, "re") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 64 * 1024)
        while bytes.count < maxSize {
            let count = fread(&block, 1, block.count, file)
            guard count > 0 else { break }
            bytes += block[..<count]
        }
        return bytes.isEmpty ? nil : PEMText(name: path, bytes: bytes)
    }
}

/// What differs between two versions of a file: its identity, size and times of change.
public struct FileVersion: Sendable, Hashable {
    /// Why the version of a file cannot be read.
    public enum Failure: Error, Sendable {
        /// This user may not access the file.
        case denied
        /// There is no such file.
        case missing
    }

    private let path: String
    private let device: UInt64
    private let inode: UInt64
    private let size: Int64
    private let times: [Int64]

    /// Reads the version of a file, or of the file that a symbolic link leads to.
    public init(of path: String) throws(Failure) {
        var status = stat()
        guard stat(path, &status) == 0 else { throw errno == EACCES ? .denied : .missing }
        self.path = path
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        size = Int64(status.st_size)
        times = [
            Int64(status.st_mtim.tv_sec), Int64(status.st_mtim.tv_nsec), Int64(status.st_ctim.tv_sec),
            Int64(status.st_ctim.tv_nsec),
        ]
    }
}
