import Glibc
import ProcessSupport

/// Reading and writing of whole files.
enum File {
    private static let maxBytes = 1 << 30
    private static let pieceSize = 64 << 10

    /// Reads a regular file; other files could block.
    ///
    /// - Parameter maxBytes: maximum number of bytes.
    /// - Throws: ``CommandError``, which names the file.
    static func read(_ path: String, maxBytes: Int = maxBytes) throws(CommandError) -> [UInt8] {
        do throws(RegularFileError) {
            return try RegularFile.read(path, maxSize: maxBytes)
        } catch {
            throw CommandError(error.description)
        }
    }

    /// Reads standard input to its end.
    ///
    /// - Parameter maxBytes: maximum number of bytes.
    static func readStandardInput(maxBytes: Int) throws(CommandError) -> [UInt8] {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: pieceSize)
        while bytes.count <= maxBytes {
            let count = Glibc.read(STDIN_FILENO, &piece, piece.count)
            if count == 0 { return bytes }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw CommandError("cannot read standard input: \(lastError)") }
            bytes += piece[..<count]
        }
        throw CommandError("cannot read standard input: larger than \(maxBytes >> 20) MiB")
    }

    /// Creates or overwrites a file; `-` is standard output.
    ///
    /// - Throws: ``CommandError``, which names the file.
    static func write(_ bytes: [UInt8], to path: String) throws(CommandError) {
        if path == "-" { return try write(bytes, to: STDOUT_FILENO) }
        let descriptor = try openToWrite(path, O_TRUNC)
        defer { close(descriptor) }
        try write(bytes, to: descriptor, named: path)
    }

    /// Creates a file.
    ///
    /// - Throws: ``CommandError``, which names the file, also if it exists.
    static func create(_ bytes: [UInt8], at path: String) throws(CommandError) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            let advice = errno == EEXIST ? ": write to another file with --output, or remove this one" : ""
            throw CommandError("cannot write \(path): \(lastError)\(advice)")
        }
        defer { close(descriptor) }
        try write(bytes, to: descriptor, named: path)
    }

    /// Verifies that a file can be opened for writing; creates it if it does not exist and keeps its content.
    ///
    /// - Throws: ``CommandError``, which names the file.
    static func checkWritable(_ path: String) throws(CommandError) {
        if path != "-" { close(try openToWrite(path, 0)) }
    }

    private static func openToWrite(_ path: String, _ flags: Int32) throws(CommandError) -> Int32 {
        // Without O_NONBLOCK, opening a FIFO would wait for a reader.
        let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | flags, 0o644)
        guard descriptor >= 0 else {
            let cause = errno == ENXIO ? "it is a FIFO or socket that nothing reads" : lastError
            throw CommandError("cannot write \(path): \(cause)")
        }
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) & ~O_NONBLOCK)
        return descriptor
    }

    /// Writes to an open file.
    ///
    /// - Throws: ``CommandError``, which names the file.
    static func write(_ bytes: [UInt8], to descriptor: Int32, named name: String = "the output") throws(CommandError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw CommandError("cannot write \(name): \(lastError)") }
            rest = rest.dropFirst(count)
        }
    }

    private static var lastError: String { String(cString: strerror(errno)) }
}
