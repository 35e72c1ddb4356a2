/// Runs `body`, with `service` at its side.
///
/// The service is cancelled when the body has ended, and is waited for; so of nested calls the outer service outlives the
/// inner. A service that ends by itself is let go; one that fails takes the body with it.
func alongside<Result: Sendable>(
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
        preconditionFailure("the group gave fewer results than it has tasks")
    }
}
