/// Awaits an operation that cannot be canceled, such as getaddrinfo(3), which blocks while a DNS server does not respond.
///
/// - Returns: nil if the time limit passes or this task is canceled first; the operation then continues without effect.
public func abandoning<Value: Sendable>(
    after limit: Duration? = nil,
    _ operation: @escaping @Sendable () async -> Value
) async -> Value? {
    let (stream, continuation) = AsyncStream<Value>.makeStream()
    Task {
        continuation.yield(await operation())
        continuation.finish()
    }
    let timer = limit.map { limit in
        Task {
            try? await Task.sleep(for: limit)
            continuation.finish()
        }
    }
    defer { timer?.cancel() }
    for await value in stream { return value }
    return nil
}
