import Support

/// Runs `body` on `count` threads at the same time, each with its number; returns the results.
func onThreads<Result: Sendable>(
    _ count: Int,
    _ body: @escaping @Sendable (Int) -> Result
) async throws -> [Result] {
    try await onOwnThreads {
        await withTaskGroup(of: (Int, Result).self) { group in
            for number in 0..<count { group.addTask { (number, body(number)) } }
            var results: [Int: Result] = [:]
            for await (number, result) in group { results[number] = result }
            return (0..<count).compactMap { results[$0] }
        }
    }
}
