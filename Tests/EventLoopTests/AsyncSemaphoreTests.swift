import EventLoop
import Synchronization
import Testing

@Suite("Asynchronous semaphore")
struct AsyncSemaphoreTests {
    /// Counts the tasks in a section.
    private final class Section: Sendable {
        private let state = Mutex<(entered: [Int], running: Int, maxRunning: Int)>(([], 0, 0))

        var entered: [Int] { state.withLock { $0.entered } }
        var maxRunning: Int { state.withLock { $0.maxRunning } }

        func run(_ task: Int) async {
            state.withLock { state in
                state.entered.append(task)
                state.running += 1
                state.maxRunning = max(state.maxRunning, state.running)
            }
            await Task.yield()
            state.withLock { $0.running -= 1 }
        }
    }

    @Test("at most one task holds a single permit", arguments: [true, false])
    func exclusion(isCancelable: Bool) async {
        let permits = AsyncSemaphore(1)
        let section = Section()
        await withTaskGroup(of: Void.self) { group in
            for task in 0..<50 {
                group.addTask {
                    if isCancelable {
                        await permits.with { await section.run(task) }
                    } else {
                        await permits.acquire()
                        await section.run(task)
                        permits.release()
                    }
                }
            }
        }
        #expect(section.entered.sorted() == Array(0..<50))
        #expect(section.maxRunning == 1)
    }

    @Test("a canceled task leaves the queue")
    func cancellation() async {
        let permits = AsyncSemaphore(1)
        let inner = await permits.with {
            let waiting = Task { await permits.with { true } }
            waiting.cancel()
            return await waiting.value
        }
        #expect(inner == .some(nil))
        #expect(await permits.with { true } == true)
    }

    @Test("of many waiting tasks the canceled ones leave the queue, and the others get the permit")
    func manyWaiting() async {
        let permits = AsyncSemaphore(1)
        let section = Section()
        let tasks = await permits.with {
            let tasks = (0..<2_000).map { number in
                Task { await permits.with { await section.run(number) } }
            }
            for (number, task) in tasks.enumerated() where number % 3 == 0 { task.cancel() }
            // Tasks that were canceled in the queue or before it leave without the permit, which is still taken.
            for (number, task) in tasks.enumerated() where number % 3 == 0 { #expect(await task.value == nil) }
            return tasks
        }
        for task in tasks ?? [] { _ = await task.value }
        #expect(section.entered.sorted() == (0..<2_000).filter { $0 % 3 != 0 })
        #expect(section.maxRunning == 1)
    }

    @Test("acquire waits for a permit even in a canceled task")
    func acquireIgnoresCancellation() async {
        let permits = AsyncSemaphore(1)
        await permits.acquire()
        let waiting = Task {
            await permits.acquire()
            return Task.isCancelled
        }
        waiting.cancel()
        permits.release()
        #expect(await waiting.value)
        permits.release()
    }
}

@Suite("Abandonment")
struct AbandonmentTests {
    /// An operation that ends only when the test says so.
    private final class Operation: Sendable {
        private let end = LatestValue(false)

        func run() async -> Int {
            while await end.value(newerThan: 1) == nil {}
            return 7
        }

        func finish() { end.update(true) }
    }

    @Test("the result of an operation is returned")
    func result() async {
        #expect(await abandoning(after: .seconds(3600)) { 7 } == 7)
    }

    @Test("an operation that exceeds the time limit is abandoned")
    func limit() async {
        let operation = Operation()
        #expect(await abandoning(after: .milliseconds(1)) { await operation.run() } == nil)
        operation.finish()
    }

    @Test("an operation is abandoned if the task is canceled")
    func cancellation() async {
        let operation = Operation()
        let task = Task { await abandoning { await operation.run() } }
        task.cancel()
        #expect(await task.value == nil)
        operation.finish()
    }
}
