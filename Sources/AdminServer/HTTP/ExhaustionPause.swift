import NIOCore
import Sockets

/// Stops accepting for a moment while the process is out of descriptors or memory, and starts again by itself.
///
/// SwiftNIO waits after such an error too, but goes on watching the listening socket meanwhile: as long as a connection
/// waits there, that keeps a core busy.
final class ExhaustionPause: ChannelInboundHandler {
    typealias InboundIn = any Channel
    typealias InboundOut = any Channel

    private static let length: TimeAmount = .milliseconds(100)

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? IOError, SystemError(code: error.errnoCode).isExhaustion else {
            context.fireErrorCaught(error)
            return
        }
        let channel = context.channel
        setAccepting(false, on: channel)
        context.eventLoop.assumeIsolated().scheduleTask(in: Self.length) { self.setAccepting(true, on: channel) }
    }

    private func setAccepting(_ accepting: Bool, on channel: any Channel) {
        // It fails only on a channel that is closed, which accepts nothing any more.
        try? channel.syncOptions?.setOption(.autoRead, value: accepting)
    }
}
