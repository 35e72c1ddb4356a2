import ArgumentParser
import EchoServer
import Logging
import ProcessSupport
import Sockets
import TCPProxy

/// The `monkey echo` command: sends back the bytes that it receives.
struct EchoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "echo",
        abstract: "Send received bytes back to each client.",
        discussion: """
            A server for testing and benchmarking a proxy.

            Examples:
              monkey echo
              monkey echo 127.0.0.1:9000 --threads 1
              monkey echo unix:/run/echo.sock
              monkey echo --stall 1s/10s
              monkey echo --delay 5ms --delay-distribution exponential
              monkey echo --respond 64K --request 100
              monkey echo --source --pace 1MB/s

            After SIGINT or SIGTERM, connections may complete within --grace; a second signal resets them immediately. \
            The last line of output is a summary of the connections.
            """
    )

    private typealias Settings = EchoServer.Configuration.Settings

    @Argument(ListenerConfiguration.Settings.listen, .address)
    var listen: ServiceAddress = .loopback(port: 8081)

    @Option(Settings.threads)
    var threads: Int

    @Option(Settings.grace)
    var grace: DurationValue

    @OptionGroup(title: "Behavior")
    var behavior: EchoOptions

    @OptionGroup(title: "Logging")
    var logging: LoggingOptions

    func run() async throws {
        try await logging.withConsole { console in
            var configuration = EchoServer.Configuration()
            configuration.threads = threads
            try behavior.apply(to: &configuration)
            let echo = try await EchoServer.bind(listen, configuration: configuration)
            // Those that the runtime creates later; it would wait if one was refused.
            try ThreadLimit.check(ThreadLimit.runtimeThreads)
            let signals = await StopSignals()
            let (reloading, reopening) = (await ReloadSignal(), await ReopenSignal())

            console.printBanner()
            let logger = Logger(label: ConsoleLabel.program)
            logger.notice(
                "Echo server listening on \(echo.localAddress)",
                metadata: ["address": "\(echo.localAddress)"]
            )

            try await withBackgroundService({
                await reloading.whenever { logger.notice("SIGHUP ignored: there is no configuration file to reload") }
            }) {
                try await withBackgroundService({
                    await reopening.whenever { logger.notice("SIGUSR1 ignored: there is no access log to reopen") }
                }) {
                    try await withBackgroundService(
                        { await signals.stopping { await echo.shutdown(grace: $0 ?? grace.duration) } },
                        run: echo.run
                    )
                }
            }
            let counters = echo.counters
            logger.notice("\(Self.summary(counters, mode: configuration.mode))", metadata: Self.metadata(counters))
        }
    }

    /// - Parameter mode: selects the byte count: received bytes for a sink, sent bytes otherwise.
    static func summary(_ counters: EchoCounters, mode: EchoServer.Mode = .echo) -> String {
        let done =
            switch mode {
            case .echo: "Echoed \(ByteCount(counters.bytesSent))"
            case .sink: "Received \(ByteCount(counters.bytesReceived))"
            case .source, .respond: "Sent \(ByteCount(counters.bytesSent))"
            }
        let closed = counters.closed > 0 ? ", \(counters.closed) closed by --close-after" : ""
        let connections = "\(counters.total) connection\(counters.total == 1 ? "" : "s")"
        return "\(done) over \(connections): \(counters.ended) completed, "
            + "\(counters.reset) reset, \(counters.forced) closed forcibly\(closed)"
    }

    static func metadata(_ counters: EchoCounters) -> Logger.Metadata {
        [
            "bytes": .stringConvertible(counters.bytesSent), "received": .stringConvertible(counters.bytesReceived),
            "closed": .stringConvertible(counters.closed), "connections": .stringConvertible(counters.total),
            "ended": .stringConvertible(counters.ended), "reset": .stringConvertible(counters.reset),
            "forced": .stringConvertible(counters.forced),
        ]
    }
}
