import Glibc

/// Reading and writing of whole files.
enum File {
    private static let longest = 1 << 30
    private static let pieceSize = 64 << 10

    /// - Parameter longest: maximum number of bytes.
    /// - Throws: ``CommandError``, which names the file.
    static func read(_ path: String, longest: Int = longest) throws(CommandError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw CommandError("cannot read \(path): \(lastError)") }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: pieceSize)
        while bytes.count <= longest {
            let count = Glibc.read(descriptor, &piece, piece.count)
            if count == 0 { return bytes }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw CommandError("cannot read \(path): \(lastError)") }
            bytes += piece[..<count]
        }
        throw CommandError("cannot read \(path): larger than \(longest >> 20) MiB")
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

    /// Verifies that a file can be opened for writing; creates it if it does not exist and keeps its content.
    ///
    /// - Throws: ``CommandError``, which names the file.
    static func checkWritable(_ path: String) throws(CommandError) {
        if path != "-" { close(try openToWrite(path, 0)) }
    }

    private static func openToWrite(_ path: String, _ flags: Int32) throws(CommandError) -> Int32 {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0o644)
        guard descriptor >= 0 else { throw CommandError("cannot write \(path): \(lastError)") }
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
