import Foundation
import Glibc

/// The calling thread's name, as proc(5) shows it.
func ownThreadName() -> String? {
    let text = try? String(contentsOfFile: "/proc/thread-self/comm", encoding: .utf8)
    return text?.trimmingCharacters(in: .newlines)
}

/// Whether the calling thread blocks these signals.
func blockedSignals(_ signals: [Int32]) -> [Bool] {
    var mask = sigset_t()
    pthread_sigmask(SIG_BLOCK, nil, &mask)
    return signals.map { sigismember(&mask, $0) == 1 }
}

/// Lets other threads run.
func yieldThread() {
    sched_yield()
}
