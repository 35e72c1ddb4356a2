import Glibc
import ProcessSupport
import Sockets
import Support
import Testing

@testable import TCPProxy

@Suite("Bind errors", .ownThreads, .timeLimit(.minutes(2)))
struct ProxyErrorTests {
    @Test("an invalid address is rejected", arguments: ["", "nonsense", "127.0.0.1:99999", "::1:80", "unix:"])
    func badAddress(text: String) async {
        guard case .address(let first) = await error(text) else {
            Issue.record("'\(text)' was accepted as a listen address")
            return
        }
        #expect(first.text == text)
        guard case .address(let second) = await error("127.0.0.1:0", to: text) else {
            Issue.record("'\(text)' was accepted as an upstream")
            return
        }
        #expect(second == first)
    }

    @Test(
        "a listener that forwards to itself is rejected",
        arguments: [
            ("127.0.0.1:5199", "127.0.0.1:5199"), ("0.0.0.0:5199", "localhost:5199"), (":5199", "127.0.0.9:5199"),
            (":5199", "[::1]:5199"), ("127.0.0.1:5199", "0.0.0.0:5199"),
            ("unix:/tmp/monkey-loop", "unix:/tmp/monkey-loop"),
        ]
    )
    func loop(listen: String, upstream: String) async {
        guard case .loop(_, listen) = await error(listen, to: upstream) else {
            Issue.record("\(listen) was accepted with the upstream \(upstream)")
            return
        }
    }

    @Test("an unknown host is rejected on either side")
    func unknownHost() async throws {
        for error in [
            await error("no-such-host.invalid:80"), await error("127.0.0.1:0", to: "no-such-host.invalid:80"),
        ] {
            guard case .unknownHost("no-such-host.invalid", _) = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
            #expect(error?.description.contains("unknown host 'no-such-host.invalid'") == true)
        }
    }

    @Test("an address in use is rejected, even if its listener shares it", arguments: [false, true])
    func inUse(reusePort: Bool) async throws {
        let other = try TestListener(reusePort: reusePort)
        let text = other.address.description
        let error = await error(text)
        #expect(error == .cannotListen(.addressInUse(try ServiceAddress(parsing: text))))
        #expect(error?.description.contains("\(text) is in use") == true)
    }

    @Test("an address in use by another proxy of the same process is rejected")
    func inUseByProxy() async throws {
        let other = try await Proxy.bind("127.0.0.1:0", to: "127.0.0.1:9")
        let text = other.localAddress.description
        #expect(await error(text) == .cannotListen(.addressInUse(try ServiceAddress(parsing: text))))
        await other.shutdown()
    }

    @Test("a live socket path and a path of another file are rejected")
    func pathInUse() async throws {
        try await withScratchFolder { folder in
            let live = try TestListener(on: .unix(path: "\(folder)/live"))
            #expect(
                await error("unix:\(folder)/live")
                    == .cannotListen(.addressInUse(.socket(.unix(path: "\(folder)/live"))))
            )
            live.close()

            let file = "\(folder)/file"
            close(creat(file, 0o600))
            #expect(await error("unix:\(file)") == .cannotListen(.notASocket(path: file)))
            #expect(access(file, F_OK) == 0)

            guard case .cannotListen(.other(_, let cause)) = await error("unix:\(folder)/nowhere/socket") else {
                Issue.record("bound a socket in a missing directory")
                return
            }
            #expect(cause.code == ENOENT)
        }
    }

    @Test("a non-local address is rejected")
    func notAvailable() async throws {
        let text = "192.0.2.1:8080"
        #expect(await error(text) == .cannotListen(.addressNotAvailable(try ServiceAddress(parsing: text))))
    }

    @Test("an upstream without a port is rejected")
    func portZero() async {
        guard case .badSetting(let name, "0", _) = await error("127.0.0.1:0", to: "127.0.0.1:0") else {
            Issue.record("port 0 was accepted as an upstream")
            return
        }
        #expect(name.contains("port"))
    }

    @Test("a setting outside its range and a non-local source are rejected")
    func settings() async throws {
        #expect(
            await error("127.0.0.1:0") { $0.threads = 257 }
                == .badSetting(name: "threads", value: "257", allowed: "1 to 256")
        )
        let source = try #require(InternetAddress(host: "192.0.2.1", port: 0))
        #expect(
            await error("127.0.0.1:0") { $0.sourceAddresses = [source] }
                == .badSource(SourceAddressError(source, .addressNotAvailable))
        )
    }

    @Test("a failed bind releases the address")
    func leavesNothing() async throws {
        try await withScratchFolder { folder in
            let path = "\(folder)/proxy"
            let upstream = "no-such-host.invalid:80"
            #expect(await error("unix:\(path)", to: upstream) != nil)
            #expect(access(path, F_OK) != 0)
        }
    }

    /// Returns the error of a bind; nil if it succeeds.
    private func error(
        _ listen: String,
        to upstream: String = "127.0.0.1:9",
        configure: (inout SingleListenerSettings) -> Void = { _ in }
    ) async -> ProxyError? {
        let settings = SingleListenerSettings(threads: 2, configure)
        do throws(ProxyError) {
            _ = try await Proxy.bind(listen, to: upstream, settings: settings)
            return nil
        } catch {
            return error
        }
    }
}
