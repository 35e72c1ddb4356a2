import Testing

@testable import EchoServer

@Suite("Held memory of the echo server")
struct HeldMemoryTests {
    /// Returns after which changes memory is returned to the system.
    private func returns(_ changes: [Int]) -> [Bool] {
        var memory = HeldMemory()
        return changes.map { memory.change(by: $0) }
    }

    @Test("memory is returned when a quarter of a large peak is left, and once for each peak")
    func peak() {
        let peak = HeldMemory.threshold
        #expect(returns([peak, -peak / 2, -peak / 4, -peak / 4]) == [false, false, true, false])
    }

    @Test("a small peak, and a fluctuation, return nothing")
    func fluctuation() {
        let size = HeldMemory.threshold
        #expect(returns([size - 1, 1 - size]) == [false, false])
        let swings = Array(repeating: [-2 * size, 2 * size], count: 100).joined()
        #expect(returns([4 * size] + swings).allSatisfy { !$0 })
    }
}
