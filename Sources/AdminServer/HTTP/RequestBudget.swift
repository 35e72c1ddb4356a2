import NIOCore
import NIOExtras

/// Closes a connection that takes more time or more bytes than it may, at the front of its pipeline, where it sees the
/// bare bytes.
///
/// The time for a request runs from its first byte, whatever comes after it and however steadily: a time-out for silence
/// alone would let a client that drips a byte a second hold its connection for ever.
final class RequestBudget: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let limits: AdminServer.Limits
    private var context: ChannelHandlerContext?
    private var timer: Scheduled<Void>?
    private var bytes = 0
    private var isIdle = false
    private var isStopping = false

    init(limits: AdminServer.Limits) {
        self.limits = limits
    }

    /// A response has been taken whole, and no other request is there.
    func becameIdle() {
        isIdle = true
        renew(limits.idle)
    }

    /// A response has been taken whole, and the next request was there already.
    func wentOn() {
        renew(limits.request)
    }

    private func renew(_ time: Duration) {
        bytes = 0
        guard let context, !isStopping else { return }
        timer?.cancel()
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(time)) {
            context.close(promise: nil)
        }
    }
}

extension RequestBudget {
    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        renew(limits.request)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        timer?.cancel()
        timer = nil
        self.context = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if isIdle {
            isIdle = false
            renew(limits.request)
        }
        bytes += unwrapInboundIn(data).readableBytes
        if bytes > limits.requestBytes {
            context.close(promise: nil)
        } else {
            context.fireChannelRead(data)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent {
            renew(min(limits.stop, limits.request))
            isStopping = true
        }
        context.fireUserInboundEventTriggered(event)
    }
}
