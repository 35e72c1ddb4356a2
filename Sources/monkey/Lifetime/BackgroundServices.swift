/// Runs `body` with `service` in a concurrent task.
///
/// When the body ends, the service is canceled and awaited, so with nested calls the outer service outlives the inner
/// one. A service that returns early has no effect; one that throws cancels the body.
func withBackgroundService<Result: Sendable>(
    _ service: @escaping @Sendable () async throws -> Void,
    run body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
    try await withThrowingTaskGroup(of: Result?.self) { group in
        group.addTask {
            try await service()
            return nil
        }
        group.addTask { try await body() }
        defer { group.cancelAll() }
        while let ended = try await group.next() {
            if let result = ended { return result }
        }
        preconditionFailure("the task group returned fewer results than it has tasks")
    }
}
