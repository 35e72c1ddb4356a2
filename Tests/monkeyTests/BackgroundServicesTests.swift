import Synchronization
import Testing

@testable import monkey

@Suite struct AlongsideTests {
    private struct Broken: Error, Equatable {}

    /// Waits until the task is cancelled.
    private static func untilCancelled() async {
        let (stream, _) = AsyncStream.makeStream(of: Never.self)
        for await _ in stream {}
    }

    @Test func theServiceOutlivesTheBody() async throws {
        let order = Mutex<[String]>([])
        let result = try await withBackgroundService({
            await Self.untilCancelled()
            order.withLock { $0.append("service") }
        }) {
            order.withLock { $0.append("body") }
            return 7
        }
        #expect(result == 7)
        #expect(order.withLock { $0 } == ["body", "service"])
    }

    @Test func aServiceThatEndsIsLetGo() async throws {
        let (ended, end) = AsyncStream.makeStream(of: Void.self)
        let result = try await withBackgroundService({ end.finish() }) {
            for await _ in ended {}
            return 7
        }
        #expect(result == 7)
    }

    @Test func aServiceThatFailsTakesTheBodyWithIt() async {
        await #expect(throws: Broken()) {
            try await withBackgroundService({ throw Broken() }) { await Self.untilCancelled() }
        }
    }

    @Test func aBodyThatFailsEndsTheService() async {
        await #expect(throws: Broken()) {
            try await withBackgroundService(Self.untilCancelled) { throw Broken() }
        }
    }

    @Test func aServiceThatMindsItsCancellationIsNoFailure() async throws {
        let result = try await withBackgroundService({ try await Task.sleep(for: .seconds(3600)) }) { 7 }
        #expect(result == 7)
    }

    @Test func aResultMayBeNothing() async throws {
        let result: Int? = try await withBackgroundService(Self.untilCancelled) { nil }
        #expect(result == nil)
    }
}
