import NIOCore
import Sockets

/// Pauses accepting for 100 ms if the process is out of descriptors or memory, then resumes.
///
/// SwiftNIO also waits after such an error but keeps polling the listening socket, which occupies a core while a
/// connection is in the backlog.
final class AcceptBackoffHandler: ChannelInboundHandler {
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
        // Fails only on a closed channel, which accepts nothing.
        try? channel.syncOptions?.setOption(.autoRead, value: accepting)
    }
}
