import NIOCore
import NIOEmbedded
import Testing

@testable import LoadBalancer

@Suite("Channel deadline")
struct ChannelDeadlineTests {
    private let loop = EmbeddedEventLoop()
    private let channel: EmbeddedChannel
    private let deadline = ChannelDeadline()

    /// Connects a channel whose deadline has just passed.
    init() throws {
        channel = EmbeddedChannel(loop: loop)
        try channel.connect(to: NIOCore.SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        deadline.hold(channel)
        deadline.close(after: .seconds(1))
        loop.advanceTime(by: .seconds(1))
    }

    /// After the process was stopped, timers may run before sockets are read.
    @Test("a channel stays open after its deadline until the event loop has polled its sockets again")
    func grace() {
        #expect(channel.isActive)
        #expect(deadline.failure(of: ExchangeFailure.ended([])) == .ended([]))
        loop.advanceTime(by: ChannelDeadline.grace)
        #expect(!channel.isActive)
        #expect(deadline.failure(of: ExchangeFailure.ended([7])) == .timedOut(isConnected: true, received: [7]))
        #expect(
            deadline.failure(of: ChannelError.ioOnClosedChannel, isConnected: false) == .timedOut(isConnected: false)
        )
    }

    @Test("a response that is read after the deadline sets a new deadline and is not a timeout")
    func lateResponse() throws {
        deadline.close(after: .seconds(1))
        loop.advanceTime(by: ChannelDeadline.grace)
        #expect(channel.isActive)
        deadline.release()
        loop.advanceTime(by: .seconds(10))
        #expect(channel.isActive)
        try channel.close().wait()
    }
}
