import CLinux
import Glibc
import LoadTester
import Synchronization

/// Progress lines on a terminal, overwritten during a run. On standard error, so that standard output can be
/// redirected.
final class LivePanel: Sendable {
    private struct State {
        var lines = 0
        var history: [Double] = []
    }

    private let state = Mutex(State())

    /// Returns nil if standard error is not a terminal with cursor control.
    static func onTerminal() -> LivePanel? {
        let kind = getenv("TERM").map { String(cString: $0) }
        return isatty(STDERR_FILENO) == 1 && kind != nil && kind != "dumb" ? LivePanel() : nil
    }

    func show(_ progress: LoadTest.Progress, of configuration: LoadTest.Configuration, label: String? = nil) {
        state.withLock { state in
            if progress.phase == .measuring, let latest = progress.latest {
                state.history.append(LivePanelText.sparkValue(latest, configuration))
            }
            // A line that the terminal wraps would occupy two rows and break the overwriting.
            let lines = LivePanelText.lines(progress, configuration, label: label, history: state.history)
            write(over: state.lines, lines.map { String($0.prefix(Self.terminalWidth)) })
            state.lines = LivePanelText.height
        }
    }

    /// The width in columns; 80 if the terminal does not report it.
    private static var terminalWidth: Int {
        var size = winsize()
        let isKnown = ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        return isKnown ? Int(size.ws_col) : 80
    }

    /// Erases the lines.
    func clear() {
        state.withLock { state in
            write(over: state.lines, [])
            state = State()
        }
    }

    private func write(over lines: Int, _ text: [String]) {
        // Moves up to the first line and clears to the end of the screen (ECMA-48: CPL and ED).
        let start = lines > 0 ? "\u{1B}[\(lines)F\u{1B}[J" : ""
        let bytes = Array((start + text.map { $0 + "\n" }.joined()).utf8)
        _ = Glibc.write(STDERR_FILENO, bytes, bytes.count)
    }
}

/// Text of a live panel. Pure functions.
enum LivePanelText {
    static let height = 3
    private static let barWidth = 24
    private static let sparks = 48

    static func lines(
        _ progress: LoadTest.Progress,
        _ configuration: LoadTest.Configuration,
        label: String? = nil,
        history: [Double]
    )
        -> [String]
    {
        let sparks = sparkline(history)
        return [
            clock(progress, configuration) + (label.map { "   \($0)" } ?? ""), figures(progress, configuration),
            sparks.isEmpty ? "" : "\(isBulk(configuration) ? "bytes" : "p99") \(sparks)",
        ]
    }

    private static func clock(_ progress: LoadTest.Progress, _ configuration: LoadTest.Configuration) -> String {
        let share = progress.duration > 0 ? min(1, progress.elapsed / progress.duration) : 0
        let filled = Int((share * Double(barWidth)).rounded())
        let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: barWidth - filled)
        let phase =
            switch progress.phase {
            case .opening: "opening \(Grouped(configuration.connections)) connections"
            case .warmUp: "warming up for \(DurationValue(configuration.warmUp))"
            case .measuring: "\(Int(progress.elapsed)) of \(Int(progress.duration.rounded(.up))) s"
            case .draining: "waiting for the last responses"
            }
        return "\(configuration.target)  \(bar) \(phase)"
    }

    private static func figures(_ progress: LoadTest.Progress, _ configuration: LoadTest.Configuration) -> String {
        var parts: [String] = []
        if let latest = progress.latest {
            switch configuration.mode {
            case .bulk:
                parts.append("up \(BitRate(latest.upstreamPerSecond))   down \(BitRate(latest.downstreamPerSecond))")
            case .hold:
                parts.append("\(Grouped(progress.connections)) open")
            case .echo, .request, .connect, .handshake, .script:
                parts.append("\(Grouped(latest.throughput))/s")
                parts.append("p50 \(time(latest.p50))   p99 \(time(latest.p99))   max \(time(latest.max))")
            }
        }
        parts.append(ReportText.errors(progress.errors))
        return parts.joined(separator: "   ")
    }

    /// Without a response there is no latency, which differs from a latency of zero.
    private static func time(_ seconds: Double?) -> String {
        seconds.map { TimeText($0).description } ?? "-"
    }

    private static func isBulk(_ configuration: LoadTest.Configuration) -> Bool {
        if case .bulk = configuration.mode { true } else { false }
    }

    /// The value of an interval in the sparkline.
    static func sparkValue(_ point: LoadTest.Report.TimelinePoint, _ configuration: LoadTest.Configuration) -> Double {
        isBulk(configuration) ? point.upstreamPerSecond + point.downstreamPerSecond : point.p99 ?? 0
    }

    /// The last values as bars of eight heights, scaled to the highest; a blank for zero.
    static func sparkline(_ values: [Double]) -> String {
        let bars = Array("▁▂▃▄▅▆▇█")
        let latest = values.suffix(sparks)
        guard let highest = latest.max(), highest > 0 else { return "" }
        return String(
            latest.map { $0 > 0 ? bars[Int(($0 / highest * Double(bars.count - 1)).rounded())] : " " }
        )
    }
}
