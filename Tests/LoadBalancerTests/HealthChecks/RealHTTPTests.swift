import Foundation
import LoadBalancer
import Support
import Testing

/// Health checks of a real nginx.
@Suite("Health checks with nginx", .ownThreads, .needs(RealServer.path(of: "nginx"), package: "nginx"))
struct RealHTTPTests {
    @Test("the status of the response decides")
    func status() async throws {
        let port = try RealServer.freePort()
        let address = RealServer.address(port)
        try await withNginx(on: port) { server in
            try await awaitResult(.http(HTTPHealthCheck(path: "/good")), at: address, "up", isUp)
            // A body far longer than the part that is read.
            let large = await HealthCheckRun.run(.http(HTTPHealthCheck(path: "/large")), at: address, timeout: patience)
            #expect(isUp(large))
            let named = HTTPHealthCheck(path: "/good", host: "other.example", expected: 418...418)
            #expect(isUp(await HealthCheckRun.run(.http(named), at: address, timeout: patience)))
            let busy = await HealthCheckRun.run(.http(HTTPHealthCheck(path: "/busy")), at: address, timeout: patience)
            #expect(busy == .failure(.http(status: 503, expected: [200...399])))
            let missing = await HealthCheckRun.run(
                .http(HTTPHealthCheck(path: "/missing")),
                at: address,
                timeout: patience
            )
            #expect(missing == .failure(.http(status: 404, expected: [200...399])))
        }
    }
}

private func withNginx(on port: UInt16, _ body: (RunningProgram) async throws -> Void) async throws {
    try await withScratchFolder { folder in
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map { "\($0)_temp_path \(folder)/\($0);" }.joined(separator: " ")
        let configuration = """
            daemon off; master_process off; pid \(folder)/pid; error_log stderr;
            events {}
            http {
                access_log off; root \(folder); \(temporary)
                server {
                    listen 127.0.0.1:\(port) default_server;
                    location = /good { return 204; }
                    location = /busy { return 503; }
                    location = /large { }
                }
                server { listen 127.0.0.1:\(port); server_name other.example; return 418; }
            }
            """
        try configuration.write(toFile: "\(folder)/nginx.conf", atomically: false, encoding: .utf8)
        try Data(count: 4 << 20).write(to: URL(fileURLWithPath: "\(folder)/large"))
        let command = [RealServer.path(of: "nginx"), "-p", folder, "-c", "\(folder)/nginx.conf", "-e", "stderr"]
        try await withProgram(command) { server in
            do {
                try await body(server)
            } catch {
                Issue.record("output of nginx: \(server.errorLines)")
                throw error
            }
        }
    }
}
