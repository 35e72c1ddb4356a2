public import Sockets
import Synchronization

/// A queue of messages from other threads to a worker: an array behind a lock, and a waker.
///
/// The worker takes all messages in one call, so the lock is held only for an append or a swap.
public final class Mailbox<Message: Sendable>: Sendable {
    private let contents = Mutex(Contents())
    private let waker: any Waker
    /// The maximum number of queued messages.
    public let limit: Int

    public init(waker: any Waker, limit: Int = 4096) {
        self.waker = waker
        self.limit = limit
    }

    /// Appends a message and wakes the worker. May be called from any thread.
    ///
    /// - Parameter room: The number of slots to keep free for other messages, which must not be lost.
    /// - Returns: False if the mailbox is full or closed and the message was rejected.
    @discardableResult
    public func post(_ message: Message, leaving room: Int = 0) -> Bool {
        let (accepted, wasEmpty) = contents.withLock { contents in
            guard !contents.isClosed, contents.messages.count < limit - room else { return (false, false) }
            contents.messages.append(message)
            return (true, contents.messages.count == 1)
        }
        // If the mailbox was not empty, a wake-up is already pending.
        if wasEmpty { waker.wake() }
        return accepted
    }

    /// Whether the mailbox is closed and rejects all messages.
    public var isClosed: Bool { contents.withLock(\.isClosed) }

    /// Removes and returns all messages, in order. For the worker only.
    public func takeAll() -> [Message] {
        contents.withLock { contents in
            defer { contents.messages = [] }
            return contents.messages
        }
    }

    /// Closes the mailbox and returns all remaining messages, in order. For the worker only, when it stops.
    public func close() -> [Message] {
        contents.withLock { contents in
            contents.isClosed = true
            defer { contents.messages = [] }
            return contents.messages
        }
    }

    /// Closes the mailbox if it is empty; returns whether it is closed. For the worker only, when it stops.
    public func closeIfEmpty() -> Bool {
        contents.withLock { contents in
            if contents.messages.isEmpty { contents.isClosed = true }
            return contents.isClosed
        }
    }

    private struct Contents {
        var messages: [Message] = []
        var isClosed = false
    }
}
