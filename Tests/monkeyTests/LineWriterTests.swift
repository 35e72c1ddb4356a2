import Glibc
import Support
import Testing

@testable import monkey

@Suite("Line writer")
struct LineWriterTests {
    init() {
        // As in the program: a write to a closed pipe must return an error and not terminate the process.
        signal(SIGPIPE, SIG_IGN)
    }

    @Test("lines are written in order")
    func order() async throws {
        let pipe = try TestPipe()
        let writer = LineWriter(descriptor: pipe.input) { _ in "dropped" }
        let lines = (1...1000).map { "line \($0)" }
        lines.forEach(writer.write)
        await writer.flush()
        pipe.closeInput()
        #expect(pipe.readLines() == lines)
    }

    @Test("lines that do not fit are counted and reported")
    func fullBuffer() async throws {
        let pipe = try TestPipe()
        let writer = LineWriter(descriptor: pipe.input, capacity: 100) { "dropped \($0)" }
        // Nothing is read: the pipe fills, then the buffer does, and no call blocks.
        let line = String(repeating: "x", count: 49)
        let written = 10_000
        for _ in 1...written { writer.write(line) }
        let reader = Task.detached { pipe.readLines() }
        await writer.flush(within: patience)
        pipe.closeInput()

        let lines = await reader.value
        let kept = lines.count { $0 == line }
        let reported = lines.compactMap { $0.hasPrefix("dropped ") ? Int($0.dropFirst(8)) : nil }.reduce(0, +)
        #expect(kept < written)
        #expect(kept + reported == written)
    }

    @Test("a line longer than the buffer is dropped")
    func longLine() async throws {
        let pipe = try TestPipe()
        let writer = LineWriter(descriptor: pipe.input, capacity: 10) { "dropped \($0)" }
        writer.write("123456789")
        await writer.flush()
        writer.write("1234567890")
        writer.write("12")
        await writer.flush()
        pipe.closeInput()
        #expect(pipe.readLines() == ["123456789", "12", "dropped 1"])
    }

    @Test("a reader that stops does not block the end")
    func stalledReader() async throws {
        let pipe = try TestPipe()
        let writer = LineWriter(descriptor: pipe.input) { _ in "dropped" }
        let line = String(repeating: "x", count: 999)
        for _ in 1...1000 { writer.write(line) }
        await writer.flush(within: .milliseconds(10))
        // Lets the writer's thread end before the pipe is closed under it.
        pipe.closeOutput()
        await writer.flush(within: patience)
        pipe.closeInput()
    }

    @Test("a closed reader is not an error")
    func closedReader() async throws {
        let pipe = try TestPipe()
        let writer = LineWriter(descriptor: pipe.input) { _ in "dropped" }
        pipe.closeOutput()
        for _ in 1...10 {
            writer.write("unread")
            await writer.flush(within: patience)
        }
        pipe.closeInput()
    }
}

/// A pipe whose ends are closed separately.
private struct TestPipe: Sendable {
    let output: Int32
    let input: Int32

    init() throws {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw SystemFailure("pipe") }
        (output, input) = (ends[0], ends[1])
    }

    func closeInput() { close(input) }
    func closeOutput() { close(output) }

    /// Reads to the end of the stream.
    func readLines() -> [String] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(output, &buffer, buffer.count)
            guard count > 0 else { break }
            bytes += buffer[..<count]
        }
        closeOutput()
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    }
}
