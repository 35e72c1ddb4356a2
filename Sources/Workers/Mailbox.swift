public import Sockets
import Synchronization

/// Where other threads leave messages for a worker: a locked array, and a waker.
///
/// The worker takes all at once, so the lock is held for an append or a swap and nothing longer.
public final class Mailbox<Message: Sendable>: Sendable {
    private let contents = Mutex(Contents())
    private let waker: any Waker
    /// The most messages that may wait.
    public let limit: Int

    public init(waker: any Waker, limit: Int = 4096) {
        self.waker = waker
        self.limit = limit
    }

    /// Leaves a message and wakes the worker.
    ///
    /// - Parameter room: places that are to stay free for others, whose messages must not be lost.
    /// - Returns: false if the box is full or closed, and the message was not taken.
    @discardableResult
    public func post(_ message: Message, leaving room: Int = 0) -> Bool {
        let (accepted, wasEmpty) = contents.withLock { contents in
            guard !contents.isClosed, contents.messages.count < limit - room else { return (false, false) }
            contents.messages.append(message)
            return (true, contents.messages.count == 1)
        }
        // Who finds messages there already knows that a wake-up is on its way.
        if wasEmpty { waker.wake() }
        return accepted
    }

    /// Whether no message will be taken any more.
    public var isClosed: Bool { contents.withLock(\.isClosed) }

    /// All messages, in order; for the worker alone.
    public func takeAll() -> [Message] {
        contents.withLock { contents in
            defer { contents.messages = [] }
            return contents.messages
        }
    }

    /// All messages, in order, and none from then on; for the worker alone, at its end.
    public func close() -> [Message] {
        contents.withLock { contents in
            contents.isClosed = true
            defer { contents.messages = [] }
            return contents.messages
        }
    }

    /// Takes no messages from then on, if there are none; for the worker alone, at its end.
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
