import EchoServer
import Foundation
import ProcessSupport
import Sockets
import Support
import Testing

@Suite("Echo server bind errors", .ownThreads)
struct EchoServerErrorTests {
    private func error(_ listen: String, threads: Int = 1) async -> EchoServerError? {
        var configuration = EchoServer.Configuration()
        configuration.threads = threads
        do {
            await (try EchoServer.bind(listen, configuration: configuration)).shutdown(grace: .zero)
            return nil
        } catch {
            return error
        }
    }

    @Test("An invalid address is rejected")
    func badAddress() async throws {
        guard case .address(let problem) = await error("127.0.0.1") else {
            Issue.record("no error")
            return
        }
        #expect(problem.problem == .noPort)
    }

    @Test("An invalid socket path is rejected", arguments: ["", "/a\0b", "/" + String(repeating: "p", count: 107)])
    func badPath(path: String) async throws {
        let error = await #expect(throws: EchoServerError.self) {
            _ = try await EchoServer.bind(.socket(.unix(path: path)), configuration: .init())
        }
        guard case .address = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test("An unresolvable name is rejected")
    func unknownHost() async throws {
        // RFC 2606: this name never exists.
        guard case .unknownHost("missing.invalid", _) = await error("missing.invalid:80") else {
            Issue.record("no error")
            return
        }
    }

    @Test("A port in use is rejected, even if its listener shares it", arguments: [1, 3], [true, false])
    func inUse(threads: Int, isShared: Bool) async throws {
        let other = try TestListener(reusePort: isShared)
        let listen = "127.0.0.1:\(other.port)"
        let error = await error(listen, threads: threads)
        #expect(error == .cannotListen(.addressInUse(try ServiceAddress(parsing: listen))))
        #expect(error.map { "\($0)" }?.contains("\(listen) is in use") == true)
    }

    @Test("A non-local address is rejected")
    func foreign() async throws {
        #expect(
            await error("192.0.2.1:0")
                == .cannotListen(.addressNotAvailable(try ServiceAddress(parsing: "192.0.2.1:0")))
        )
    }

    @Test("A live Unix socket and a regular file are rejected, a stale socket is replaced", arguments: [1, 3])
    func unix(threads: Int) async throws {
        try await withScratchFolder { folder in
            let (live, stale, file) = ("\(folder)/live", "\(folder)/stale", "\(folder)/file")
            let listener = try TestListener(on: .unix(path: live))
            #expect(
                await error("unix:\(live)", threads: threads)
                    == .cannotListen(.addressInUse(.socket(.unix(path: live))))
            )
            listener.close()
            #expect(await error("unix:\(live)", threads: threads) == nil)
            try TestListener(on: .unix(path: stale)).close()
            #expect(await error("unix:\(stale)", threads: threads) == nil)
            try "precious".write(toFile: file, atomically: false, encoding: .utf8)
            #expect(await error("unix:\(file)", threads: threads) == .cannotListen(.notASocket(path: file)))
            #expect(try String(contentsOfFile: file, encoding: .utf8) == "precious")
            guard case .cannotListen(.other(_, SystemError(code: ENOENT))) = await error("unix:\(folder)/none/s") else {
                Issue.record("no error for a missing directory")
                return
            }
        }
    }

    @Test("Each error is one sentence that states a fix")
    func sentences() throws {
        let web = try ServiceAddress(parsing: "127.0.0.1:80")
        let errors: [(EchoServerError, [String])] = [
            (.unknownHost("missing", detail: "why"), ["missing", "why", "IP address"]),
            (.cannotListen(.addressInUse(web)), ["127.0.0.1:80 is in use"]),
            (.badSetting(name: "chunk", value: "0", allowed: "at least 1"), ["invalid chunk '0': must be at least 1"]),
            (.alreadyRun, ["bind another"]),
            (.system(.tooManyOpenFiles), ["Too many open files"]),
        ]
        for (error, parts) in errors {
            #expect(parts.allSatisfy("\(error)".contains), "\(error)")
            #expect(!"\(error)".contains("\n"))
        }
    }
}
