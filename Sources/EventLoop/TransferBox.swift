import Synchronization

/// A box that transfers a noncopyable value to the one thread that will own it.
public final class TransferBox<Value: ~Copyable & SendableMetatype>: Sendable {
    private let value: Mutex<Value?>

    public init(_ value: consuming sending Value) {
        self.value = Mutex(value)
    }

    /// Returns the value to the first caller, and nil to all others.
    public func take() -> sending Value? {
        value.withLock { value in value.take() }
    }
}
