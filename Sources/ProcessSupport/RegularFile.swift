import CLinux
import Glibc

/// Reading of whole files that must not block, whatever the path refers to: opening a FIFO waits for a writer, and
/// reading a device or a terminal may never end.
public enum RegularFile {
    /// Content of a file, and its permissions.
    public struct Content: Sendable {
        public let bytes: [UInt8]
        /// Permission bits (chmod(2)).
        public let mode: UInt32
    }

    private static let pieceSize = 64 << 10

    /// Reads a regular file.
    ///
    /// - Parameter maxSize: maximum number of bytes.
    /// - Throws: ``RegularFileError``.
    public static func read(_ path: String, maxSize: Int) throws(RegularFileError) -> [UInt8] {
        try content(of: path, maxSize: maxSize).bytes
    }

    /// Reads a regular file and its permissions, which belong to the same file also if the path is replaced.
    ///
    /// - Parameter maxSize: maximum number of bytes.
    /// - Throws: ``RegularFileError``.
    public static func content(of path: String, maxSize: Int) throws(RegularFileError) -> Content {
        // C functions would use only the path before the first NUL byte.
        guard !path.utf8.contains(0) else { throw RegularFileError(path: path, problem: .zeroByte) }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else {
            // ENXIO: a socket, or a device without a driver.
            throw RegularFileError(path: path, problem: errno == ENXIO ? .notRegular : .system(errno))
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw RegularFileError(path: path, problem: .system(errno)) }
        switch status.st_mode & S_IFMT {
        case S_IFREG: break
        case S_IFDIR: throw RegularFileError(path: path, problem: .directory)
        default: throw RegularFileError(path: path, problem: .notRegular)
        }
        // Of the size of the file, so that no copy of a secret is left behind by growing.
        var bytes = [UInt8](repeating: 0, count: min(max(Int(status.st_size), 0), maxSize) + 1)
        var count = 0
        while count <= maxSize {
            if count == bytes.count { bytes += [UInt8](repeating: 0, count: min(pieceSize, maxSize + 1 - count)) }
            let number = bytes.withUnsafeMutableBytes {
                Glibc.read(descriptor, $0.baseAddress! + count, $0.count - count)
            }
            if number == 0 {
                bytes.removeLast(bytes.count - count)
                return Content(bytes: bytes, mode: status.st_mode & 0o7777)
            }
            if number < 0, errno == EINTR { continue }
            guard number > 0 else { throw RegularFileError(path: path, problem: .system(errno)) }
            count += number
        }
        throw RegularFileError(path: path, problem: .tooLarge(maxSize))
    }

    /// Returns the names of the files and folders in a folder, unsorted; nil if the path is not a folder.
    ///
    /// - Throws: ``RegularFileError``.
    public static func names(inFolder path: String, max: Int) throws(RegularFileError) -> [String]? {
        guard !path.utf8.contains(0) else { throw RegularFileError(path: path, problem: .zeroByte) }
        guard let folder = opendir(path.isEmpty ? "." : path) else {
            if errno == ENOTDIR { return nil }
            throw RegularFileError(path: path, problem: .system(errno))
        }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { name in
                name.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name == "." || name == ".." { continue }
            guard names.count < max else { throw RegularFileError(path: path, problem: .tooManyFiles(max)) }
            names.append(name)
        }
        return names
    }
}

/// Why a file cannot be read.
public struct RegularFileError: Error, Hashable, Sendable {
    public enum Problem: Hashable, Sendable {
        /// The path contains a zero byte.
        case zeroByte
        /// A FIFO, a socket or a device.
        case notRegular
        case directory
        /// The file has more bytes than this.
        case tooLarge(Int)
        /// The folder has more files than this.
        case tooManyFiles(Int)
        /// A system call failed with this errno.
        case system(Int32)
    }

    public let path: String
    public let problem: Problem

    public init(path: String, problem: Problem) {
        self.path = path
        self.problem = problem
    }
}

extension RegularFileError: CustomStringConvertible {
    /// What failed, why, and how to fix it.
    public var description: String {
        "cannot read \(path): \(cause)"
    }

    /// Why the file cannot be read, and how to fix it.
    public var cause: String {
        switch problem {
        case .zeroByte: "the path contains a zero byte: remove it"
        case .notRegular: "not a regular file, so reading it could block: write the path of a regular file"
        case .directory: "a folder, not a file: write the path of a file in it"
        case .tooLarge(let limit):
            limit >= 1 << 20 ? "larger than \(limit >> 20) MiB" : "larger than \(limit >> 10) KiB"
        case .tooManyFiles(let limit): "more than \(limit) files in the folder: remove some of them"
        case .system(let code): String(cString: strerror(code))
        }
    }
}
