/// Checks of whether a run's results reflect the target or the load tester's own limits.
enum ResultQuality {
    /// Maximum share of its time that a thread may run; a busier thread cannot send on time.
    static let busiestThread = 0.9
    /// Send lag at the 99th percentile, as a share of the latency there, up to which the results are trusted.
    static let lagShare = 0.2
    /// Send lag, in seconds, up to which results are trusted in any case: the wakeup of a sleeping thread takes part of
    /// it on any machine.
    static let lagFloor = 200e-6

    static func warnings(about report: LoadTest.Report) -> [String] {
        var warnings: [String] = []
        let tester = report.tester
        if tester.busiestThread > busiestThread {
            warnings.append(
                "a load tester thread was busy \(percent(tester.busiestThread)) of the time: it may be the bottleneck"
            )
        }
        let lag = tester.sendLag
        if lag.count > 0, lag.p99 > lagFloor, lag.p99 > lagShare * report.latency.p99 {
            warnings.append(
                "requests were sent up to \(TimeText(lag.p99)) late (99th percentile) although a connection was free: "
                    + "the latency includes this delay"
            )
        }
        if report.exchanges.overflowed > 0 {
            warnings.append(
                "\(report.exchanges.overflowed) requests were dropped because the queue was full: "
                    + "their latency is missing"
            )
        }
        if let exhausted = report.errors[LoadTest.FailureCause.exhausted.name], exhausted > 0 {
            warnings.append("this machine ran out of ports, descriptors or memory \(exhausted) times")
        }
        return warnings
    }

    private static func percent(_ share: Double) -> String {
        "\(Int((share * 100).rounded())) %"
    }
}
