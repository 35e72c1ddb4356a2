import CLinux
import Foundation
import Glibc
import Sockets
import Support
import Testing

@Suite("Unix socket file")
struct UnixSocketFileTests {
    private func exists(_ path: String) -> Bool {
        var information = stat()
        return lstat(path, &information) == 0
    }

    private func problem(preparing path: String) -> UnixSocketFileError? {
        do throws(UnixSocketFileError) {
            try UnixSocketFile.prepare(path)
            return nil
        } catch {
            return error
        }
    }

    @Test("A free path needs no action")
    func nothing() async throws {
        try await withScratchFolder { folder in
            #expect(problem(preparing: "\(folder)/s") == nil)
            #expect(problem(preparing: "\(folder)/none/s") == nil)
            #expect(UnixSocketFile(at: "\(folder)/s") == nil)
        }
    }

    @Test("A stale socket file is removed, and the path can be bound")
    func stale() async throws {
        try await withScratchFolder { folder in
            let path = "\(folder)/s"
            try TestListener(on: .unix(path: path)).close()
            #expect(exists(path))
            #expect(problem(preparing: path) == nil)
            #expect(!exists(path))
            _ = try Ends(at: .unix(path: path))
        }
    }

    @Test("A live server keeps its file, even if its queue is full")
    func live() async throws {
        try await withScratchFolder { folder in
            let path = "\(folder)/s"
            let server = try TestListener(on: .unix(path: path), backlog: 0)
            #expect(problem(preparing: path) == .inUse(path: path))
            // With the probe's connection and this one its backlog is full, so the next probe would block.
            let clients = try Clients(filling: path)
            #expect(problem(preparing: path) == .inUse(path: path))
            #expect(exists(path))
            clients.close()
            server.close()
            #expect(problem(preparing: path) == nil)
        }
    }

    /// Fills a listening socket's backlog.
    private final class Clients {
        private var system: LinuxSystem
        private var open: [Int32] = []

        init(filling path: String) throws {
            system = try LinuxSystem(wakerToken: Token(bits: 0))
            do throws(SystemError) {
                for _ in 0..<100 {
                    open.append(
                        try system.connect(to: RawAddress(.unix(path: path)), from: nil, options: .init()).release()
                    )
                }
                Issue.record("a queue of length 0 accepted 100 connections")
            } catch {
                #expect(error.code == EAGAIN)
            }
        }

        func close() {
            for number in open { Glibc.close(number) }
            open = []
        }

        deinit { close() }
    }

    @Test("A datagram socket in use is in use")
    func datagram() async throws {
        try await withScratchFolder { folder in
            let path = "\(folder)/s"
            let socket = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
            defer { close(socket) }
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
            let bound = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            try #require(bound == 0)
            #expect(problem(preparing: path) == .inUse(path: path))
            #expect(exists(path))
        }
    }

    @Test("A file that is not a socket is never removed")
    func otherFiles() async throws {
        try await withScratchFolder { folder in
            let file = "\(folder)/file"
            try "precious".write(toFile: file, atomically: false, encoding: .utf8)
            let link = "\(folder)/link"
            try TestListener(on: .unix(path: "\(folder)/stale")).close()
            #expect(symlink("\(folder)/stale", link) == 0)
            #expect(mkfifo("\(folder)/fifo", 0o600) == 0)
            for path in [file, folder, link, "\(folder)/fifo"] {
                #expect(problem(preparing: path) == .notASocket(path: path))
                #expect(UnixSocketFile(at: path) == nil)
                #expect(exists(path))
            }
        }
    }

    @Test("A server removes its own file, but not a file that has replaced it")
    func ownFile() async throws {
        try await withScratchFolder { folder in
            let path = "\(folder)/s"
            let first = try TestListener(on: .unix(path: path))
            let file = try #require(UnixSocketFile(at: path))
            #expect(file.path == path)
            unlink(path)
            let second = try TestListener(on: .unix(path: path))
            file.remove()
            #expect(exists(path))
            UnixSocketFile(at: path)?.remove()
            #expect(!exists(path))
            file.remove()
            first.close()
            second.close()
        }
    }
}
