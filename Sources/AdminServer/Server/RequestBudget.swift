import NIOCore
import NIOExtras

/// Closes a connection that exceeds the time or the bytes of a request. It is the first handler of the pipeline and
/// sees the raw bytes.
///
/// The time for a request runs from its first byte and is not extended by later bytes: with an idle timeout alone, a
/// client that sends one byte per second could hold its connection forever.
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

    /// Starts the idle timeout: a response was written completely and no other request is pending.
    func becameIdle() {
        isIdle = true
        renew(limits.idle)
    }

    /// Restarts the request timeout: a response was written completely and the next request is already pending.
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
