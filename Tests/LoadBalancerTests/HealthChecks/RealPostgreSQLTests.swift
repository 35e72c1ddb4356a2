import Foundation
import Sockets
import Support
import Testing

@testable import LoadBalancer

/// Health checks of a real PostgreSQL.
@Suite("Health checks with PostgreSQL", .ownThreads, .needs(RealServer.postgreSQL("postgres"), package: "postgresql"))
struct RealPostgreSQLTests {
    /// The server is up for every kind of user, and its log has no complaint about the checks.
    @Test("a running server is up for every user")
    func up() async throws {
        try await withCluster { cluster in
            let port = try RealServer.freePort()
            try await cluster.running(on: port, []) { server in
                // A superuser with access; users that need a password, are rejected, and match no rule.
                for user in ["trusted", "secret", "refused", "nobody-here", HealthCheckKind.defaultUser] {
                    try await awaitResult(.postgres(user: user), at: RealServer.address(port), "\(user) up", isUp)
                }
                try server.signal(SIGINT)
                try server.waitForExit()
                let log = server.errorLines
                for complaint in ["unexpected", "could not receive", "could not send", "protocol", "invalid length"] {
                    #expect(!log.contains { $0.contains(complaint) }, "\(log)")
                }
                #expect(log.contains { $0.contains("no pg_hba.conf entry") })
            }
        }
    }

    @Test("a full server is up, and one that shuts down is down")
    func full() async throws {
        try await withCluster { cluster in
            let port = try RealServer.freePort()
            let check = HealthCheckKind.postgres(user: "trusted")
            let settings = ["max_connections=2", "superuser_reserved_connections=0", "max_wal_senders=0"]
            try await cluster.running(on: port, settings) { server in
                try await awaitResult(check, at: RealServer.address(port), "up", isUp)
                var sessions: [TestSocket] = []
                while sessions.count < 2 {
                    // The sessions of the checks take some time to end.
                    if let session = try session(on: port) { sessions.append(session) }
                }
                try #require(try session(on: port) == nil)
                let full = await HealthCheckRun.run(check, at: RealServer.address(port), timeout: patience)
                #expect(isUp(full))
                // The smart shutdown, which waits for the sessions.
                try server.signal(SIGTERM)
                try await awaitResult(check, at: RealServer.address(port), "shutting down") {
                    $0 == .failure(.postgres(code: "57P03", message: "the database system is shutting down"))
                }
                for session in sessions { session.close() }
                try await awaitResult(check, at: RealServer.address(port), "gone") {
                    $0 == .failure(.notConnected(.connectionRefused))
                }
                try server.waitForExit()
            }
        }
    }

    /// A standby that accepts no queries reports so as long as it runs.
    @Test("a server in recovery is down")
    func recovery() async throws {
        try await withCluster { cluster in
            try #require(FileManager.default.createFile(atPath: "\(cluster.folder)/standby.signal", contents: nil))
            let port = try RealServer.freePort()
            try await cluster.running(on: port, ["hot_standby=off"]) { _ in
                try await awaitResult(.postgres(user: "trusted"), at: RealServer.address(port), "in recovery") {
                    guard case .failure(.postgres(code: "57P03", let message)) = $0 else { return false }
                    return message == "the database system is not accepting connections"
                }
            }
        }
    }

    /// Opens a client session; returns nil if no connection is available.
    private func session(on port: UInt16) throws -> TestSocket? {
        let socket = try TestSocket.connect(to: .ip("127.0.0.1", port: port))
        try socket.send(PostgreSQLHealthCheckExchange(user: "trusted").request)
        var answer: [UInt8] = []
        // Until the session is ready for queries, and idle.
        while !answer.suffix(6).elementsEqual([UInt8(ascii: "Z"), 0, 0, 0, 5, UInt8(ascii: "I")]) {
            let more = try socket.receive(upTo: 4_096)
            if more.isEmpty { return nil }
            answer += more
        }
        return socket
    }
}

/// A new cluster without durability, which these tests do not need.
private struct Cluster {
    let folder: String

    func running(
        on port: UInt16,
        _ settings: [String],
        _ body: (RunningProgram) async throws -> Void
    ) async throws {
        let all = ["port=\(port)", "listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"] + settings
        let options = all.flatMap { ["-c", $0] }
        let command = [RealServer.postgreSQL("postgres"), "-D", folder] + options
        try await withProgram(RealServer.unprivileged(command)) { server in
            do {
                try await body(server)
            } catch {
                Issue.record("output of PostgreSQL: \(server.errorLines)")
                throw error
            }
            // The immediate shutdown, without a message to the sessions.
            try? server.signal(SIGQUIT)
            try server.waitForExit()
        }
    }
}

private func withCluster(_ body: (Cluster) async throws -> Void) async throws {
    try await withScratchFolder { scratch in
        try await RealServer.giveAway(scratch)
        let folder = "\(scratch)/cluster"
        let initdb = [
            RealServer.postgreSQL("initdb"), "--pgdata", folder, "--username=trusted", "--auth=trust", "--no-sync",
        ]
        let done = try await runToEnd(RealServer.unprivileged(initdb), within: .seconds(120))
        try #require(done.exit == .code(0), "\(done.errors)")
        let rules = """
            host all trusted 127.0.0.1/32 trust
            host all secret 127.0.0.1/32 scram-sha-256
            host all refused 127.0.0.1/32 reject
            """
        try rules.write(toFile: "\(folder)/pg_hba.conf", atomically: false, encoding: .utf8)
        try await body(Cluster(folder: folder))
    }
}
