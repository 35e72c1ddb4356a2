extension LoadTest.Report {
    /// The timeline as comma-separated values (RFC 4180): one line per interval, times in seconds. A cell
    /// is empty if nothing was measured.
    public var csv: String {
        let header =
            "time,seconds,throughput,p50,p99,max,errors,upstream_per_second,downstream_per_second,handshakes_per_second"
        let rows = timeline.map { point in
            [
                "\(point.time)", "\(point.seconds)", "\(point.throughput)", cell(point.p50), cell(point.p99),
                cell(point.max), "\(point.errors)", "\(point.upstreamPerSecond)", "\(point.downstreamPerSecond)",
                "\(point.handshakesPerSecond)",
            ].joined(separator: ",")
        }
        return ([header] + rows).map { $0 + "\r\n" }.joined()
    }

    private func cell(_ number: Double?) -> String {
        number.map { "\($0)" } ?? ""
    }
}
