import Glibc
import Synchronization

/// Runs the data plane of the proxy through seeds: `simulate --seed N` logs one seed's run, `simulate --seeds A..B`
/// runs many and reports those that failed.
@main
enum Simulate {
    static func main() async {
        do {
            switch try Options(CommandLine.arguments.dropFirst()) {
            case .help: print(Options.usage)
            case .story(let seed): exit(tellStory(of: seed) ? 0 : 1)
            case .many(let run): exit(await run.play() ? 0 : 1)
            }
        } catch {
            complain("\(error)\n\n\(Options.usage)")
            exit(2)
        }
    }

    /// - Returns: whether no invariant was violated.
    private static func tellStory(of seed: UInt64) -> Bool {
        let outcome = Simulation.run(seed: seed) { print($0) }
        guard outcome.complaints.isEmpty else {
            complain(outcome.complaints.joined(separator: "\n"))
            return false
        }
        print(
            "OK, no invariant violated: \(outcome.totals.connections) connections, \(outcome.totals.bytes) bytes, "
                + "\(outcome.totals.turns) turns"
        )
        return true
    }

    static func complain(_ text: String) {
        let line = Array("\(text)\n".utf8)
        _ = write(STDERR_FILENO, line, line.count)
    }
}
