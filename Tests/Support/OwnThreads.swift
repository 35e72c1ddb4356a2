import Foundation
package import Testing

/// A trait that runs each test of a suite on dedicated threads, so that it may block in a socket call.
///
/// Swift's shared pool has one thread per core; a few tests blocked in `recv` would stall everything else in the
/// process, including what they wait for.
package struct OwnThreadsTrait: SuiteTrait, TestTrait, TestScoping {
    package let isRecursive = true

    package func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing function: @Sendable () async throws -> Void
    ) async throws {
        try await onOwnThreads(function)
    }
}

extension Trait where Self == OwnThreadsTrait {
    /// The tests block, and run on threads where that affects nothing else.
    package static var ownThreads: Self { Self() }
}

/// Runs `body`, and the child tasks that it starts, on threads that may block.
package func onOwnThreads<Value: Sendable>(_ body: @Sendable () async throws -> Value) async throws -> Value {
    try await withTaskExecutorPreference(ThreadForEachJob.shared) { try await body() }
}

private final class ThreadForEachJob: TaskExecutor {
    static let shared = ThreadForEachJob()

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let executor = asUnownedTaskExecutor()
        Thread.detachNewThread { job.runSynchronously(on: executor) }
    }
}
