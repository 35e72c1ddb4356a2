import Foundation
import Glibc

/// Returns the calling thread's name, as in proc(5).
func ownThreadName() -> String? {
    let text = try? String(contentsOfFile: "/proc/thread-self/comm", encoding: .utf8)
    return text?.trimmingCharacters(in: .newlines)
}

/// Returns for each signal whether the calling thread blocks it.
func blockedSignals(_ signals: [Int32]) -> [Bool] {
    var mask = sigset_t()
    pthread_sigmask(SIG_BLOCK, nil, &mask)
    return signals.map { sigismember(&mask, $0) == 1 }
}

/// Yields the processor to other threads.
func yieldThread() {
    sched_yield()
}
