import Glibc
import LoadTester
import Synchronization

/// A few lines on a terminal that are written over as a run goes on. On standard error, so that a result on standard output
/// can be kept.
final class LivePanel: Sendable {
    private struct State {
        var lines = 0
        var history: [Double] = []
    }

    private let state = Mutex(State())

    /// nil where standard error is no terminal that can be written over.
    static func onTerminal() -> LivePanel? {
        let kind = getenv("TERM").map { String(cString: $0) }
        return isatty(STDERR_FILENO) == 1 && kind != nil && kind != "dumb" ? LivePanel() : nil
    }

    func show(_ progress: Progress, of plan: Plan) {
        state.withLock { state in
            if progress.phase == .measuring, let latest = progress.latest { state.history.append(latest.p99) }
            write(over: state.lines, LivePanelText.lines(progress, plan, history: state.history))
            state.lines = LivePanelText.height
        }
    }

    /// Leaves no trace.
    func clear() {
        state.withLock { state in
            write(over: state.lines, [])
            state = State()
        }
    }

    private func write(over lines: Int, _ text: [String]) {
        // Up to the first line, and clear from there to the end of the screen (ECMA-48: CPL and ED).
        let start = lines > 0 ? "\u{1B}[\(lines)F\u{1B}[J" : ""
        let bytes = Array((start + text.map { $0 + "\n" }.joined()).utf8)
        _ = Glibc.write(STDERR_FILENO, bytes, bytes.count)
    }
}

/// What a live panel says. Pure.
enum LivePanelText {
    static let height = 3
    private static let barWidth = 24
    private static let sparks = 48

    static func lines(_ progress: Progress, _ plan: Plan, history: [Double]) -> [String] {
        [clock(progress, plan), figures(progress, plan), history.isEmpty ? "" : "p99 \(sparkline(history))"]
    }

    private static func clock(_ progress: Progress, _ plan: Plan) -> String {
        let share = progress.duration > 0 ? min(1, progress.elapsed / progress.duration) : 0
        let filled = Int((share * Double(barWidth)).rounded())
        let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: barWidth - filled)
        let phase =
            switch progress.phase {
            case .opening: "opening \(plan.connections) connections"
            case .warmUp: "warming up"
            case .measuring: "\(Int(progress.elapsed)) of \(Int(progress.duration.rounded(.up))) s"
            case .draining: "waiting for the last responses"
            }
        return "\(plan.target)  \(bar) \(phase)"
    }

    private static func figures(_ progress: Progress, _ plan: Plan) -> String {
        var parts: [String] = []
        if let latest = progress.latest {
            if case .bulk = plan.mode {
                parts.append(
                    "up \(BitRate(latest.upstreamPerSecond))   down \(BitRate(latest.downstreamPerSecond))"
                )
            } else {
                parts.append("\(Grouped(Int(latest.throughput)))/s")
                parts.append("p50 \(TimeText(latest.p50))   p99 \(TimeText(latest.p99))   max \(TimeText(latest.max))")
            }
        }
        parts.append(SummaryTable.errors(progress.errors))
        return parts.joined(separator: "   ")
    }

    /// The last values as bars of eight heights, the highest of them full.
    static func sparkline(_ values: [Double]) -> String {
        let bars = Array("▁▂▃▄▅▆▇█")
        let latest = values.suffix(sparks)
        guard let highest = latest.max(), highest > 0 else { return "" }
        return String(latest.map { bars[Int((max(0, $0) / highest * Double(bars.count - 1)).rounded())] })
    }
}
