import EchoServer
import Testing

@testable import monkey

@Suite struct EchoSummaryTests {
    @Test func isALine() {
        var counters = EchoCounters()
        counters.total = 12
        counters.bytesReceived = 1_600_000
        counters.bytesSent = 1_572_864
        counters.ended = 9
        counters.reset = 2
        counters.cut = 1
        #expect(
            EchoCommand.summary(counters)
                == "Echoed 1.5MB over 12 connections: 9 ended by themselves, 2 were reset, 1 were cut"
        )
    }
}
