import Foundation
import Glibc
import Support
import Testing

/// The start of the executable in a process that lacks something.
@Suite("Start with closed descriptors or without threads", .ownThreads, .timeLimit(.minutes(2)))
struct StartTests {
    @Test("closed standard descriptors are opened on /dev/null, and the proxy serves")
    func closedDescriptors() async throws {
        let upstream = try TestListener()
        let closing = ["sh", "-c", "exec \"$0\" \"$@\" <&- 2>&-"]
        try await withProxy(to: upstream, under: closing) { proxy in
            for number in [0, 2] {
                let link = "/proc/\(proxy.program.processID)/fd/\(number)"
                #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == "/dev/null")
            }
            let pair = try RelayedPair(through: proxy, to: upstream)
            try pair.exchange()
            try proxy.end()
        }
    }

    @Test("the proxy serves without standard output")
    func closedOutput() async throws {
        let (exit, output, errors) = try await runToEnd(["sh", "-c", "exec \"$0\" check /nonexistent >&-", monkeyPath])
        #expect(exit == .code(1))
        #expect(output == [])
        #expect(errors.count == 1)
    }

    @Test(
        "without enough threads, a command ends with one line before it listens, and with enough it obeys SIGTERM",
        .enabled(if: geteuid() == 0, "only root can run a command as a user without other processes"),
        arguments: [1, 2, 4, 8, 16, 64]
    )
    func threads(limit: Int) async throws {
        // A user of its own: the limit counts all threads of a user.
        let user = 54_000 + limit
        let command = [
            "setpriv", "--reuid=\(user)", "--regid=\(user)", "--clear-groups", "prlimit", "--nproc=\(limit)",
            monkeyPath, "proxy", "127.0.0.1:0", "127.0.0.1:9", "--threads", "2", "--admin", "127.0.0.1:0",
        ]
        try await withProgram(command) { program in
            if let address = try? program.output(after: "Proxy listening on ") {
                #expect(TestAddress(address) != nil)
                try program.signal(SIGTERM)
                #expect(try program.waitForExit() == .code(0))
            } else {
                #expect(try program.waitForExit() == .code(1))
                #expect(program.outputLines == [])
                #expect(program.errorLines.count == 1)
                #expect(program.errorLines[0].hasPrefix("Error: cannot start "))
            }
        }
    }
}
