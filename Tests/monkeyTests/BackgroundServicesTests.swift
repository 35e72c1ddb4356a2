import Synchronization
import Testing

@testable import monkey

@Suite("Background services")
struct BackgroundServicesTests {
    private struct Broken: Error, Equatable {}

    /// Waits until the task is cancelled.
    private static func untilCancelled() async {
        let (stream, _) = AsyncStream.makeStream(of: Never.self)
        for await _ in stream {}
    }

    @Test("the service ends after the body")
    func order() async throws {
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

    @Test("a service that ends does not end the body")
    func serviceEnds() async throws {
        let (ended, end) = AsyncStream.makeStream(of: Void.self)
        let result = try await withBackgroundService({ end.finish() }) {
            for await _ in ended {}
            return 7
        }
        #expect(result == 7)
    }

    @Test("a service that fails cancels the body")
    func serviceFails() async {
        await #expect(throws: Broken()) {
            try await withBackgroundService({ throw Broken() }) { await Self.untilCancelled() }
        }
    }

    @Test("a body that fails cancels the service")
    func bodyFails() async {
        await #expect(throws: Broken()) {
            try await withBackgroundService(Self.untilCancelled) { throw Broken() }
        }
    }

    @Test("a service that throws when cancelled does not fail the body")
    func cancelledService() async throws {
        let result = try await withBackgroundService({ try await Task.sleep(for: .seconds(3600)) }) { 7 }
        #expect(result == 7)
    }

    @Test("the result may be nil")
    func nilResult() async throws {
        let result: Int? = try await withBackgroundService(Self.untilCancelled) { nil }
        #expect(result == nil)
    }
}
