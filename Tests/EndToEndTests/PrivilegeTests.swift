import Foundation
import Glibc
import Support
import Testing

@Suite("Dropping root privileges", .ownThreads, .serialized, .timeLimit(.minutes(2)))
struct PrivilegeTests {
    /// Whether the tests that only root can run are enabled; with MONKEY_REQUIRE_SERVERS=1 they fail for other users.
    static var isRoot: Bool { geteuid() == 0 || TestRequirements.areRequired }

    /// Returns the values of a field in the status of each thread.
    private func statuses(_ word: String, of process: Int32) throws -> Set<[String]> {
        let tasks = "/proc/\(process)/task"
        let statuses = try FileManager.default.contentsOfDirectory(atPath: tasks).map { task in
            try String(contentsOfFile: "\(tasks)/\(task)/status", encoding: .utf8)
        }
        #expect(statuses.count > 4)
        return Set(
            statuses.map { status in
                let line = status.split(separator: "\n").first { $0.hasPrefix("\(word):") } ?? ""
                return line.split(whereSeparator: \.isWhitespace).dropFirst().map(String.init)
            }
        )
    }

    @Test(
        "all threads serve a privileged port as user nobody, without root's groups and capabilities",
        .enabled(if: isRoot, "only root can drop root privileges")
    )
    func nobody() async throws {
        let entry = try #require(getpwnam("nobody")?.pointee)
        let upstream = try TestListener()
        try await withScratchFolder { folder in
            // A different loopback address for each run, so that the port is free.
            let listen = TestAddress.ip("127.\(UInt8.random(in: 1...250)).\(UInt8.random(in: 1...250)).1", port: 1001)
            let options = ["--user", "nobody", "--threads", "3", "--access-log", "\(folder)/log"]
            try await withProxy(on: listen, to: upstream, options, metrics: true) { proxy in
                let pair = try RelayedPair(through: proxy, to: upstream)
                try pair.exchange()
                let process = proxy.program.processID
                let (user, group) = ("\(entry.pw_uid)", "\(entry.pw_gid)")
                let identity = try proxy.program.output(after: "Running as ")
                #expect(identity == "user nobody, group \(group)")
                #expect(try statuses("Uid", of: process) == [Array(repeating: user, count: 4)])
                #expect(try statuses("Gid", of: process) == [Array(repeating: group, count: 4)])
                #expect(try statuses("Groups", of: process) == [[group]])
                for rights in ["CapPrm", "CapEff", "CapInh"] {
                    #expect(try statuses(rights, of: process) == [["0000000000000000"]])
                }
                pair.client.close()
                pair.server.close()
                try proxy.end()
            }
        }
    }

    @Test("a group alone keeps the user", .enabled(if: isRoot, "only root can drop root privileges"))
    func group() async throws {
        let upstream = try TestListener()
        try await withProxy(to: upstream, ["--group", "12345"]) { proxy in
            let process = proxy.program.processID
            _ = try proxy.program.output(after: "Running as ")
            #expect(try statuses("Uid", of: process) == [Array(repeating: "0", count: 4)])
            #expect(try statuses("Gid", of: process) == [Array(repeating: "12345", count: 4)])
            #expect(try statuses("Groups", of: process) == [["12345"]])
        }
    }

    @Test("an unknown user or group is reported")
    func mistakes() async throws {
        let proxy = ["proxy", "127.0.0.1:0", "127.0.0.1:1", "--admin", "off"]
        try await runMonkey(proxy + ["--user", "no-such-user"]).expectFailure(naming: "unknown user 'no-such-user'")
        try await runMonkey(proxy + ["--group", "no-such-group"]).expectFailure(
            naming: "unknown group 'no-such-group'"
        )
    }

    /// A wrapper that runs a command as an unprivileged user.
    private static let unprivileged = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups"]

    static var othersMayRun: Bool {
        get async {
            let check = try? await runToEnd(unprivileged + [monkeyPath, "--version"])
            return check?.exit == .code(0)
        }
    }

    @Test("only root can switch to another user", .enabled("setpriv cannot run the executable") { await othersMayRun })
    func notRoot() async throws {
        let proxy = ["proxy", "127.0.0.1:0", "127.0.0.1:1", "--admin", "off"]
        try await runMonkey(proxy + ["--user", "1"], under: Self.unprivileged).expectFailure(
            naming: "only root can switch to user"
        )
        let upstream = try TestListener()
        try await withProxy(to: upstream, ["--user", "12345"], under: Self.unprivileged) { proxy in
            try RelayedPair(through: proxy, to: upstream).exchange()
        }
    }
}
