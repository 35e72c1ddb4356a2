import ArgumentParser
import EchoServer
import Testing

@testable import monkey

@Suite("Options and summary of monkey echo")
struct EchoSummaryTests {
    @Test("the summary is one line")
    func summary() {
        var counters = EchoCounters()
        (counters.bytesReceived, counters.bytesSent) = (1_600_000, 1_572_864)
        (counters.total, counters.ended, counters.reset, counters.forced) = (12, 9, 2, 1)
        #expect(
            EchoCommand.summary(counters)
                == "Echoed 1.5MB over 12 connections: 9 completed, 2 reset, 1 closed forcibly"
        )
    }

    @Test("the summary of a sink contains received bytes and early closes")
    func sinkSummary() {
        var counters = EchoCounters()
        counters.bytesReceived = 1024
        (counters.total, counters.ended, counters.closed) = (3, 1, 2)
        #expect(
            EchoCommand.summary(counters, mode: .sink)
                == "Received 1.0KB over 3 connections: 1 completed, 0 reset, 0 closed forcibly, "
                + "2 closed by --close-after"
        )
    }

    @Test(
        "the options set the behavior",
        arguments: [
            (["--stall", "1s/10s"], "stall"), (["--sink"], "sink"), (["--source", "--close-after", "1M"], "source"),
            (["--delay", "5ms", "--delay-distribution", "uniform"], "uniform"),
            (["--delay-distribution", "1ms,2ms"], "list"), (["--respond", "64K"], "respond"),
            (["--respond", "5M", "--request", "1K", "--pace", "4MB/s"], "paced"),
        ]
    )
    func behavior(arguments: [String], what: String) throws {
        let command = try EchoCommand.parse(arguments)
        var configuration = EchoServer.Configuration()
        try command.behavior.apply(to: &configuration)
        switch what {
        case "stall": #expect(configuration.stall == .init(length: .seconds(1), period: .seconds(10)))
        case "sink": #expect(configuration.mode == .sink)
        case "source":
            #expect(configuration.mode == .source)
            #expect(configuration.closeAfter == 1 << 20)
        case "respond":
            #expect(configuration.mode == .respond)
            #expect((configuration.requestSize, configuration.responseSize) == (100, 65_536))
            #expect(configuration.pace == nil)
        case "paced":
            #expect(configuration.mode == .respond)
            #expect((configuration.requestSize, configuration.responseSize) == (1024, 5 << 20))
            #expect(configuration.pace == 4_000_000)
        case "uniform": #expect(configuration.delay == .uniform(from: .zero, to: .milliseconds(10)))
        default: #expect(configuration.delay == .list([.milliseconds(1), .milliseconds(2)]))
        }
    }

    @Test(
        "contradicting and invalid options are rejected",
        arguments: [
            ["--delay-distribution", "uniform"], ["--stall", "1s"], ["--sink", "--source"],
            ["--delay-distribution", "x"],
            ["--request", "100"], ["--sink", "--respond", "4K"], ["--source", "--respond", "4K"], ["--pace", "1MB"],
            ["--pace", "fast/s"], ["--pace", "0/s"], ["--pace", "3GB/s"], ["--pace", "99999999999999999999GB/s"],
        ]
    )
    func invalidOptions(arguments: [String]) {
        #expect(throws: (any Error).self) {
            let command = try EchoCommand.parse(arguments)
            var configuration = EchoServer.Configuration()
            try command.behavior.apply(to: &configuration)
        }
    }
}
