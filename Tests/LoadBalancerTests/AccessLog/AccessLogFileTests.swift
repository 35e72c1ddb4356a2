import Foundation
import Glibc
import Support
import Testing

@testable import LoadBalancer

@Suite("Access log file")
struct AccessLogFileTests {
    private func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

    @Test("lines are appended, and after a reopen go to the file of that name")
    func reopening() async throws {
        try await withScratchFolder { folder in
            let path = "\(folder)/access.log"
            try "before\n".write(toFile: path, atomically: false, encoding: .utf8)
            var file = try AccessLogFile(at: path)
            try file.write("one\n") { true }
            #expect(rename(path, "\(folder)/old") == 0)
            try file.write("two\n") { true }
            #expect(try text("\(folder)/old") == "before\none\ntwo\n")
            try file.reopen()
            try file.write("three\nfour\n") { true }
            #expect(try text(path) == "three\nfour\n")
            #expect(try text("\(folder)/old") == "before\none\ntwo\n")
        }
    }

    @Test("a failed reopen keeps the current file")
    func reopeningFails() async throws {
        try await withScratchFolder { folder in
            let path = "\(folder)/logs/access.log"
            #expect(mkdir("\(folder)/logs", 0o755) == 0)
            var file = try AccessLogFile(at: path)
            #expect(rename("\(folder)/logs", "\(folder)/old") == 0)
            do throws(AccessLogError) {
                try file.reopen()
                Issue.record("opened a file in a missing directory")
            } catch {
                #expect("\(error)" == "cannot write the access log \(path): No such file or directory")
            }
            try file.write("still\n") { true }
            #expect(try text("\(folder)/old/access.log") == "still\n")
        }
    }

    @Test("a pipe without a reader is an error, and a slow reader is waited for within limits")
    func pipe() async throws {
        try await withScratchFolder { folder in
            let path = "\(folder)/pipe"
            #expect(mkfifo(path, 0o600) == 0)
            do throws(AccessLogError) {
                _ = try AccessLogFile(at: path)
                Issue.record("opened a pipe without a reader")
            } catch {
                #expect(error.code == ENXIO)
            }
            let reader = open(path, O_RDONLY | O_NONBLOCK)
            defer { close(reader) }
            var file = try AccessLogFile(at: path)
            let lines = String(repeating: "x", count: 1 << 20)
            var waits = 0
            do throws(AccessLogError) {
                try file.write(lines) {
                    waits += 1
                    return waits < 2
                }
                Issue.record("wrote a megabyte into a pipe without a reader")
            } catch {
                #expect(error.code == EAGAIN)
                #expect(waits == 2)
            }
            // The truncated line is not continued.
            var buffer = [UInt8](repeating: 0, count: 1 << 20)
            while read(reader, &buffer, buffer.count) > 0 {}
            try file.write("next\n") { true }
            let count = read(reader, &buffer, buffer.count)
            #expect(String(decoding: buffer.prefix(max(0, count)), as: UTF8.self) == "\nnext\n")
        }
    }
}
