import Foundation
import Support
import Testing

@Suite("Helpers of the tests", .ownThreads, .timeLimit(.minutes(1)))
struct HelpersTests {
    private func makePair() throws -> (TestSocket, TestSocket) {
        let listener = try TestListener()
        return try (.connect(to: listener.address), listener.accept())
    }

    @Test("A FIN and a reset are distinguished, and bytes before either are received")
    func ends() async throws {
        let (sender, receiver) = try makePair()
        try sender.send("last words")
        try sender.finish()
        #expect(try receiver.receiveRest() == .init(bytes: Array("last words".utf8), end: .fin))

        let (other, sufferer) = try makePair()
        try other.send("last words")
        try await eventually("acknowledgement") { try other.unacknowledged == 0 }
        try other.reset()
        #expect(try sufferer.receiveRest() == .init(bytes: Array("last words".utf8), end: .reset))
    }

    @Test("Receiving has a deadline")
    func deadline() throws {
        let listener = try TestListener(limit: .milliseconds(50))
        #expect(throws: TimedOut.self) { try listener.accept() }
        let client = try TestSocket.connect(to: listener.address)
        let server = try listener.accept()
        #expect(throws: TimedOut.self) { try server.receive(upTo: 1) }
        client.close()
    }

    @Test(
        "An altered, lost or duplicated byte is detected",
        arguments: [0, 1, Pattern.period - 1, Pattern.period, 3_000_000]
    )
    func pattern(at position: Int) throws {
        let pattern = Pattern(seed: 7)
        let good = pattern.bytes(count: 3_100_000)
        func check(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try pattern.check($0, at: 0) } }
        try check(good)
        var altered = good
        altered[position] ^= 1
        #expect(throws: Unexpected.self) { try check(altered) }
        var lost = good
        lost.removeSubrange(position..<position + 16)
        #expect(throws: Unexpected.self) { try check(lost) }
        var doubled = good
        doubled.insert(contentsOf: good[position..<position + 16], at: position)
        #expect(throws: Unexpected.self) { try check(doubled) }
    }

    @Test("A program's output, exit code, signal and descriptor limit are observable")
    func programs() async throws {
        let (exit, output, errors) = try await runToEnd(["sh", "-c", "echo one; echo two; echo three >&2; exit 7"])
        #expect(exit == .code(7))
        #expect(output == ["one", "two"])
        #expect(errors == ["three"])
        try await withProgram(descriptorLimit(99) + ["sh", "-c", "echo up; ulimit -n; exec sleep 60"]) { program in
            _ = try program.outputLine { $0 == "99" }
            #expect(program.outputLines == ["up", "99"])
            #expect(try program.isRunning)
            try program.signal(SIGTERM)
            #expect(try program.waitForExit() == .signal(SIGTERM))
        }
    }

    @Test("A metrics page is parsed")
    func metricsText() {
        let text = MetricsText(
            """
            # HELP a_total What it counts.
            # TYPE a_total counter
            a_total 3
            b{direction="up",name="x \\"y\\""} 1.5
            nonsense here
            """
        )
        #expect(text.value("a_total") == 3)
        #expect(text.value("b", ["direction": "up", "name": "x \"y\""]) == 1.5)
        #expect(text.types == ["a_total": "counter"])
        #expect(text.help == ["a_total": "What it counts."])
        #expect(text.strays == ["nonsense here"])
    }
}
