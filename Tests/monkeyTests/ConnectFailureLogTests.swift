import TCPProxy
import Testing

@testable import monkey

@Suite("Log of failed connection attempts")
struct ConnectFailureLogTests {
    private typealias Report = ConnectFailureLog.Report

    private func failures(_ server: String, _ counts: [ConnectFailure: Int]) -> ConnectFailureLog.Failures {
        .init(pool: "p", server: server, counts: counts)
    }

    @Test("the first failure is reported, and the following ones once per interval with their number")
    func interval() {
        var log = ConnectFailureLog()
        var reports = log.reports(on: [failures("a", [.refused: 0])], at: .zero)
        #expect(reports == [])
        reports = log.reports(on: [failures("a", [.refused: 2])], at: .seconds(1))
        #expect(reports == [Report(pool: "p", server: "a", cause: .refused, count: 2)])
        reports = log.reports(on: [failures("a", [.refused: 5])], at: .seconds(2))
        #expect(reports == [])
        #expect(log.isWaiting)
        reports = log.reports(on: [failures("a", [.refused: 5, .timeout: 4])], at: .seconds(11))
        #expect(reports == [Report(pool: "p", server: "a", cause: .timeout, count: 7)])
        #expect(!log.isWaiting)
        reports = log.reports(on: [failures("a", [.refused: 5, .timeout: 4])], at: .seconds(60))
        #expect(reports == [])
    }

    @Test("each server has its own interval; a client that closes is not a failure")
    func servers() {
        var log = ConnectFailureLog()
        _ = log.reports(on: [failures("a", [.refused: 1])], at: .zero)
        let both = [failures("a", [.refused: 2]), failures("b", [.other: 1, .clientGone: 9])]
        let reports = log.reports(on: both, at: .seconds(1))
        #expect(reports == [Report(pool: "p", server: "b", cause: .other, count: 1)])
    }

    @Test("the number of reports at a time is limited, and the rest follows")
    func limit() {
        var log = ConnectFailureLog()
        let many = (0..<25).map { failures("\($0)", [.refused: 1]) }
        var counts: [Int] = []
        for second in 0..<4 { counts.append(log.reports(on: many, at: .seconds(second)).count) }
        #expect(counts == [10, 10, 5, 0])
        #expect(!log.isWaiting)
    }
}
