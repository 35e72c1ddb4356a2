import Foundation
import LoadBalancer
import Sockets
import Support
import Testing

/// Programs from Debian packages that a test starts on loopback, with their files in a scratch folder.
enum RealServer {
    /// Folders of administration programs, which may not be on the PATH.
    private static let folders =
        (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init) + ["/usr/sbin"]

    static func path(of program: String) -> String {
        let found = folders.map { "\($0)/\(program)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
        return found ?? program
    }

    /// Returns a program of the newest PostgreSQL: Debian's wrappers in /usr/bin are not the programs.
    static func postgreSQL(_ program: String) -> String {
        let root = "/usr/lib/postgresql"
        let versions = (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []
        let newest = versions.compactMap(Double.init).max().map { $0.formatted(.number.grouping(.never)) } ?? "0"
        return "\(root)/\(newest)/bin/\(program)"
    }

    /// Returns the command run as an unprivileged user: PostgreSQL refuses to run as root.
    static func unprivileged(_ command: [String]) -> [String] {
        geteuid() == 0 ? ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] + command : command
    }

    /// Returns an unused port below the ephemeral port range, so that no outgoing connection can take it between this
    /// check and the server's bind.
    static func freePort() throws -> UInt16 {
        for _ in 0..<200 {
            let port = UInt16.random(in: 20_000..<32_000)
            if let listener = try? TestListener(on: .ip("127.0.0.1", port: port)) {
                listener.close()
                return port
            }
        }
        throw SystemFailure("no free port", code: EADDRINUSE)
    }

    static func address(_ port: UInt16) -> SocketAddress {
        .internet(InternetAddress(v4: 0x7F00_0001, port: port))
    }

    /// Makes the folder writable for the unprivileged user.
    static func giveAway(_ folder: String) async throws {
        guard geteuid() == 0 else { return }
        let done = try await runToEnd(["chown", "nobody:nogroup", folder])
        try #require(done.exit == .code(0), "\(done.errors)")
    }
}

extension Trait where Self == ConditionTrait {
    /// Requires a program that the test starts. If it is missing, the test is skipped, and the output names its package;
    /// with MONKEY_REQUIRE_SERVERS=1, as in CI, the test runs and fails.
    static func needs(_ path: String, package: String) -> Self {
        let isThere = FileManager.default.isExecutableFile(atPath: path)
        return .enabled(if: isThere || TestRequirements.areRequired, "install the package \(package)")
    }
}

/// Checks repeatedly until the result is the wanted one.
func awaitResult(
    _ check: HealthCheckKind,
    at address: SocketAddress,
    _ what: String,
    _ isSought: (Result<Duration, HealthCheckFailure>) -> Bool
) async throws {
    var last = Result<Duration, HealthCheckFailure>.failure(.cancelled)
    do {
        try await eventually(what) {
            last = await HealthCheckRun.run(check, at: address, timeout: .seconds(5))
            return isSought(last)
        }
    } catch {
        Issue.record("the last result was \(last)")
        throw error
    }
}

func isUp(_ result: Result<Duration, HealthCheckFailure>) -> Bool {
    if case .success = result { true } else { false }
}
