import NIOCore
import Sockets
import Synchronization

/// Deadline and cancellation of a channel; cancellation works even before the channel is connected.
final class ChannelDeadline: Sendable {
    private struct State {
        var channel: (any Channel)?
        var timer: Scheduled<Void>?
        var isExpired = false
        var isCancelled = false
    }

    private let state = Mutex(State())

    var isCancelled: Bool { state.withLock { $0.isCancelled } }

    /// Returns the reason why an exchange on the connected channel has failed with an error.
    func failure(of error: any Error) -> ExchangeFailure {
        let (isExpired, isCancelled) = state.withLock { ($0.isExpired, $0.isCancelled) }
        if isCancelled { return .cancelled }
        if isExpired { return .timedOut(isConnected: true) }
        return error as? ExchangeFailure ?? .broken(SystemError(error))
    }

    /// Registers the channel, and closes it if the task has been canceled. Must be called on the channel's event loop.
    func hold(_ channel: any Channel) {
        let isTooLate = state.withLock { state in
            state.channel = channel
            return state.isCancelled
        }
        if isTooLate { channel.close(promise: nil) }
    }

    /// Closes the channel after the delay; replaces the deadline set earlier.
    func close(after delay: Duration) {
        let before = state.withLock { state -> Scheduled<Void>? in
            guard let channel = state.channel else { return nil }
            let earlier = state.timer
            state.timer = channel.eventLoop.scheduleTask(in: TimeAmount(delay)) { [self] in
                self.state.withLock { $0.isExpired = true }
                channel.close(promise: nil)
            }
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
