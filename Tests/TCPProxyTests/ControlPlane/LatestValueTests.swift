import Testing

@testable import TCPProxy

@Suite("Latest value")
struct LatestValueTests {
    @Test("the first value is returned immediately")
    func first() async {
        let watch = LatestValue("first")
        let latest = await watch.value(newerThan: 0)
        #expect(latest?.value == "first")
    }

    @Test("a waiting reader receives a newer value")
    func waits() async throws {
        let watch = LatestValue(1)
        let seen = try #require(await watch.value(newerThan: 0))
        async let next = watch.value(newerThan: seen.version)
        async let same = watch.value(newerThan: seen.version)
        watch.update(2)
        #expect(await next?.value == 2)
        #expect(await same?.value == 2)
    }

    @Test("a slow reader receives only the latest value")
    func latest() async throws {
        let watch = LatestValue(0)
        let seen = try #require(await watch.value(newerThan: 0))
        for value in 1...100 { watch.update(value) }
        let next = try #require(await watch.value(newerThan: seen.version))
        #expect(next.value == 100)
        watch.finish()
        #expect(await watch.value(newerThan: next.version) == nil)
    }

    @Test("the last value is returned before the end")
    func lastBeforeEnd() async throws {
        let watch = LatestValue(1)
        let seen = try #require(await watch.value(newerThan: 0))
        watch.update(2)
        watch.finish()
        let last = try #require(await watch.value(newerThan: seen.version))
        #expect(last.value == 2)
        #expect(await watch.value(newerThan: last.version) == nil)
    }

    @Test("the end wakes waiting readers")
    func endWakes() async throws {
        let watch = LatestValue(1)
        let seen = try #require(await watch.value(newerThan: 0))
        async let next = watch.value(newerThan: seen.version)
        watch.finish()
        #expect(await next == nil)
    }

    @Test("cancellation ends a wait")
    func cancelled() async throws {
        let watch = LatestValue(1)
        let seen = try #require(await watch.value(newerThan: 0))
        let waiting = Task { await watch.value(newerThan: seen.version)?.value }
        waiting.cancel()
        #expect(await waiting.value == nil)
    }

    @Test("all readers see the last value, and none sees a value twice")
    func many() async {
        let watch = LatestValue(0)
        await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<20 {
                group.addTask {
                    var version = 0
                    var values: [Int] = []
                    while let latest = await watch.value(newerThan: version) {
                        version = latest.version
                        values.append(latest.value)
                    }
                    return values == Array(Set(values)).sorted() && values.last == 1000
                }
            }
            for value in 1...1000 { watch.update(value) }
            watch.finish()
            for await isRight in group { #expect(isRight) }
        }
    }
}
