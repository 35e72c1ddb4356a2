import EchoServer
import Sockets
import Testing

private func with(_ change: (inout EchoServer.Configuration) -> Void) -> EchoServer.Configuration {
    var configuration = EchoServer.Configuration()
    change(&configuration)
    return configuration
}

@Suite("Echo server configuration")
struct ConfigurationTests {
    @Test(
        "A setting outside its range is rejected by name",
        arguments: [
            ("threads", with { $0.threads = 0 }),
            ("threads", with { $0.threads = 257 }),
            ("backlog", with { $0.backlog = 0 }),
            ("backlog", with { $0.backlog = 65_536 }),
            ("chunk", with { $0.chunk = 0 }),
            ("close-after", with { $0.closeAfter = 0 }),
            ("close-after", with { $0.closeAfter = -1 }),
            ("request", with { $0.requestSize = 0 }),
            ("request", with { $0.requestSize = (1 << 30) + 1 }),
            ("respond", with { $0.responseSize = 0 }),
            ("respond", with { $0.responseSize = .max }),
            ("pace", with { $0.pace = 0 }),
            ("pace", with { $0.pace = 2_000_000_001 }),
            ("pace", with { ($0.pace, $0.mode) = (1, .sink) }),
            ("delay", with { ($0.delay, $0.mode) = (.constant(.zero), .respond) }),
            ("delay", with { $0.delay = .constant(.seconds(-1)) }),
            ("delay", with { $0.delay = .constant(.seconds(3601)) }),
            ("delay", with { $0.delay = .uniform(from: .seconds(2), to: .seconds(1)) }),
            ("delay", with { $0.delay = .uniform(from: .zero, to: .seconds(Int64.max)) }),
            ("delay", with { $0.delay = .exponential(mean: .seconds(-1)) }),
            ("delay", with { $0.delay = .list([]) }),
            ("delay", with { $0.delay = .list([.zero, .seconds(-1)]) }),
            ("delay", with { ($0.delay, $0.mode) = (.constant(.zero), .sink) }),
            ("delay", with { ($0.delay, $0.mode) = (.constant(.zero), .source) }),
            ("stall", with { $0.stall = .init(length: .zero, period: .seconds(1)) }),
            ("stall", with { $0.stall = .init(length: .seconds(1), period: .seconds(1)) }),
            ("stall", with { $0.stall = .init(length: .seconds(2), period: .seconds(1)) }),
            ("stall", with { $0.stall = .init(length: .seconds(1), period: .seconds(3601)) }),
            ("stall", with { $0.stall = .init(length: .seconds(-1), period: .seconds(1)) }),
        ]
    )
    func refused(name: String, configuration: EchoServer.Configuration) async throws {
        let error = await #expect(throws: EchoServerError.self) {
            _ = try await EchoServer.bind("127.0.0.1:0", configuration: configuration)
        }
        guard case .badSetting(name, _, _) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(error.map { "\($0)".hasPrefix("invalid \(name) ") && "\($0)".contains("must be") } == true)
    }

    @Test("The limits of each range are accepted")
    func allowed() async throws {
        for (threads, backlog) in [(1, 1), (8, 65_535)] {
            var configuration = EchoServer.Configuration()
            (configuration.threads, configuration.backlog) = (threads, backlog)
            (configuration.chunk, configuration.closeAfter) = (1, 1)
            (configuration.requestSize, configuration.responseSize) = (1, 1 << 30)
            configuration.pace = threads == 1 ? 1 : 2_000_000_000
            configuration.delay = .uniform(from: .zero, to: EchoServer.DelayDistribution.maxDelay)
            configuration.stall = .init(length: .milliseconds(1), period: .milliseconds(2))
            let server = try await EchoServer.bind("127.0.0.1:0", configuration: configuration)
            await server.shutdown(grace: .zero)
        }
    }
}
