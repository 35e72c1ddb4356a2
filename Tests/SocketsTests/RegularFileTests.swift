import Foundation
import Glibc
import ProcessSupport
import Support
import Testing

@Suite("Regular files", .timeLimit(.minutes(1)))
struct RegularFileTests {
    private func problem(_ path: String, maxSize: Int = 100) -> RegularFileError.Problem? {
        do throws(RegularFileError) {
            _ = try RegularFile.read(path, maxSize: maxSize)
            return nil
        } catch {
            return error.problem
        }
    }

    @Test("a file is read up to its maximum size, with its permissions")
    func content() async throws {
        try await withScratchFolder { folder in
            let path = "\(folder)/file"
            try "0123456789".write(toFile: path, atomically: false, encoding: .utf8)
            chmod(path, 0o640)
            let content = try RegularFile.content(of: path, maxSize: 10)
            #expect(content.bytes == Array("0123456789".utf8))
            #expect(content.mode == 0o640)
            #expect(problem(path, maxSize: 9) == .tooLarge(9))
        }
    }

    /// Opening a FIFO, or reading a device, would block or never end.
    @Test("a FIFO, a socket, a device and a folder are rejected without waiting")
    func others() async throws {
        try await withScratchFolder { folder in
            #expect(mkfifo("\(folder)/fifo", 0o600) == 0)
            try bindUnixSocket("\(folder)/socket")
            symlink("\(folder)/fifo", "\(folder)/link")
            #expect(problem("\(folder)/fifo") == .notRegular)
            #expect(problem("\(folder)/link") == .notRegular)
            #expect(problem("\(folder)/socket") == .notRegular)
            #expect(problem("/dev/zero") == .notRegular)
            #expect(problem("/dev/null") == .notRegular)
            #expect(problem(folder) == .directory)
        }
    }

    /// Creates the file of a Unix socket.
    private func bindUnixSocket(_ path: String) throws {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let result = withUnsafePointer(to: address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(result == 0)
    }

    @Test("a missing file and a zero byte in the path are reported")
    func missing() {
        #expect(problem("/no/such/file") == .system(ENOENT))
        #expect(problem("/etc/hostname\0.yaml") == .zeroByte)
        let error = RegularFileError(path: "/f", problem: .system(ENOENT))
        #expect(error.description == "cannot read /f: No such file or directory")
    }

    @Test("the names in a folder are bounded")
    func folders() async throws {
        try await withScratchFolder { folder in
            for name in ["b", "a"] {
                try "".write(toFile: "\(folder)/\(name)", atomically: false, encoding: .utf8)
            }
            #expect(try RegularFile.names(inFolder: folder, max: 2)?.sorted() == ["a", "b"])
            #expect(throws: RegularFileError(path: folder, problem: .tooManyFiles(1))) {
                try RegularFile.names(inFolder: folder, max: 1)
            }
            #expect(try RegularFile.names(inFolder: "\(folder)/a", max: 1) == nil)
        }
    }

    @Test("the arguments of the process are those that main received")
    func arguments() {
        #expect(ProcessArguments.all == Array(CommandLine.arguments.dropFirst()))
    }
}
