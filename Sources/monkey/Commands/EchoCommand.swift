import ArgumentParser
import EchoServer
import Logging
import Sockets

/// The `monkey echo` command: sends back the bytes that it receives.
struct EchoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "echo",
        abstract: "Send back to each client what it sends.",
        discussion: """
            A server to try a proxy with, or to measure one against.

            Examples:
              monkey echo
              monkey echo 127.0.0.1:9000 --threads 1
              monkey echo unix:/run/echo.sock
              monkey echo --stall 1s/10s
              monkey echo --delay 5ms --delay-distribution exponential
              monkey echo --respond 64K --request 100
              monkey echo --source --pace 1MB/s

            SIGINT or SIGTERM lets running connections end within --grace; a second signal resets them at once. The last \
            line of output tells what was echoed.
            """
    )

    @Argument(.address, named: "listen", "Where to listen; port 0 takes a free one.")
    var listen: ServiceAddress = .loopback(port: 8081)

    @Option(.wholeNumber(1...64), "Worker threads, 1 to 64.")
    var threads = EchoServer.Configuration().threads

    @Option(.duration(), "How long running connections may go on to their own end, before what is left is reset.")
    var grace = WrittenDuration(.seconds(30))

    @OptionGroup(title: "Behaviour")
    var behaviour: EchoOptions

    @OptionGroup(title: "Logging")
    var logging: LoggingOptions

    func run() async throws {
        try await logging.withConsole { console in
            var configuration = EchoServer.Configuration()
            configuration.threads = threads
            try behaviour.apply(to: &configuration)
            let echo = try await EchoServer.bind(listen, configuration: configuration)
            let signals = await StopSignals()

            console.greet()
            let logger = Logger(label: ConsoleLabel.program)
            logger.notice(
                "Echo server listening on \(echo.localAddress)",
                metadata: ["address": "\(echo.localAddress)"]
            )
            await console.flush()

            try await alongside(
                { await signals.stopping { await echo.shutdown(grace: $0 ?? grace.duration) } },
                run: echo.run
            )
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
        let closed = counters.closed > 0 ? ", \(counters.closed) were closed after their bytes" : ""
        return "\(done) over \(counters.total) connections: \(counters.ended) ended by themselves, "
            + "\(counters.reset) were reset, \(counters.cut) were cut\(closed)"
    }

    static func metadata(_ counters: EchoCounters) -> Logger.Metadata {
        [
            "bytes": .stringConvertible(counters.bytesSent), "received": .stringConvertible(counters.bytesReceived),
            "closed": .stringConvertible(counters.closed), "connections": .stringConvertible(counters.total),
            "ended": .stringConvertible(counters.ended), "reset": .stringConvertible(counters.reset),
            "cut": .stringConvertible(counters.cut),
        ]
    }
}
