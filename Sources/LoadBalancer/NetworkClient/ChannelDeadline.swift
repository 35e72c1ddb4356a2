import NIOCore
import Sockets
import Synchronization

/// Deadline and cancellation of a channel; cancellation works even before the channel is connected.
///
/// A deadline that has passed is not evidence that nothing has arrived: after the process was stopped for a while, the
/// event loop may run its timers before it reads its sockets. The channel is therefore closed after a further
/// ``grace``, in which the event loop polls its sockets at least once.
final class ChannelDeadline: Sendable {
    private struct State {
        var channel: (any Channel)?
        var timer: Scheduled<Void>?
        var isExpired = false
        var isCancelled = false
    }

    /// Time from the deadline until the channel is closed.
    static let grace = TimeAmount.milliseconds(5)

    private let state = Mutex(State())

    var isCancelled: Bool { state.withLock { $0.isCancelled } }

    /// Returns the reason why an exchange on the channel has failed with an error.
    func failure(of error: any Error, isConnected: Bool = true) -> ExchangeFailure {
        let (isExpired, isCancelled) = state.withLock { ($0.isExpired, $0.isCancelled) }
        if isCancelled { return .cancelled }
        let failure = error as? ExchangeFailure
        if isExpired {
            if case .ended(let bytes) = failure { return .timedOut(isConnected: true, received: bytes) }
            if case .handshakeEnded = failure { return .handshakeTimedOut }
            return .timedOut(isConnected: isConnected)
        }
        return failure ?? (isConnected ? .broken(SystemError(error)) : .notConnected(SystemError(error)))
    }

    /// Registers the channel, and closes it if the task has been canceled. Must be called on the channel's event loop.
    func hold(_ channel: any Channel) {
        let isTooLate = state.withLock { state in
            state.channel = channel
            return state.isCancelled
        }
        if isTooLate { channel.close(promise: nil) }
    }

    /// Closes the channel after the delay and the grace; replaces the deadline set earlier.
    func close(after delay: Duration) {
        schedule(in: TimeAmount(delay)) { [self] in
            schedule(in: Self.grace) { [self] in
                let channel = state.withLock { state in
                    state.isExpired = true
                    return state.channel
                }
                channel?.close(promise: nil)
            }
        }
    }

    private func schedule(in delay: TimeAmount, _ body: @escaping @Sendable () -> Void) {
        let before = state.withLock { state -> Scheduled<Void>? in
            guard let channel = state.channel else { return nil }
            let earlier = state.timer
            state.timer = channel.eventLoop.scheduleTask(in: delay, body)
            return earlier
        }
        before?.cancel()
    }

    func cancel() {
        let channel = state.withLock { state in
            state.isCancelled = true
            return state.channel
        }
        channel?.close(promise: nil)
    }

    /// Removes the channel, which has ended, and cancels the timer.
    func release() {
        let timer = state.withLock { state in
            defer { state.channel = nil; state.timer = nil }
            return state.timer
        }
        timer?.cancel()
    }
}
