public import Sockets
import Synchronization

/// Where other threads leave messages for a worker: a locked array, and a waker.
///
/// The worker takes all at once, so the lock is held for an append or a swap and nothing longer.
public final class Mailbox<Message: Sendable>: Sendable {
    private let messages = Mutex<[Message]>([])
    private let waker: any Waker
    /// The most messages that may wait.
    public let limit: Int

    public init(waker: any Waker, limit: Int = 4096) {
        self.waker = waker
        self.limit = limit
    }

    /// Leaves a message and wakes the worker.
    ///
    /// - Returns: false if the box is full, and the message was not taken.
    @discardableResult
    public func post(_ message: Message) -> Bool {
        let (accepted, wasEmpty) = messages.withLock { messages in
            guard messages.count < limit else { return (false, false) }
            messages.append(message)
            return (true, messages.count == 1)
        }
        // Who finds messages there already knows that a wake-up is on its way.
        if wasEmpty { waker.wake() }
        return accepted
    }

    /// All messages, in order; for the worker alone.
    public func takeAll() -> [Message] {
        messages.withLock { messages in
            let all = messages
            messages = []
            return all
        }
    }
}
