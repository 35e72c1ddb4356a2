import NIOCore

/// What one connection is waiting for, since when, and when it is closed. Confined to the event loop of its channel.
///
/// The time for a request runs from its first byte and is not extended by later bytes: with an idle timeout alone, a
/// client that sends one byte per second could hold its connection forever.
final class AdminConnection {
    enum Stage: Hashable {
        /// Accepted; the client has sent nothing.
        case silent
        /// The client has sent a part of a request.
        case receiving
        /// The response is being computed.
        case computing
        /// The client has not yet received the whole response.
        case sending
        /// Between two requests.
        case idle
        /// The FIN is sent; waiting for the client's FIN. Closing with unread bytes of the client would send a reset,
        /// which could make the client lose the response (RFC 9112, 9.6).
        case lingering
    }

    let channel: any Channel
    private(set) var stage = Stage.silent
    private(set) var since = NIODeadline.now()
    /// Called at each change of the stage.
    var onChange: () -> Void = {}
    /// Called when the time for computing a response is over; the default closes the connection.
    var onOperationTimeout: (() -> Void)?

    private let limits: AdminServer.Limits
    private var timer: Scheduled<Void>?
    /// Bytes of the current request.
    private var bytes = 0
    private var isStopping = false

    init(_ channel: any Channel, limits: AdminServer.Limits) {
        self.channel = channel
        self.limits = limits
        schedule(limits.request)
    }

    deinit {
        timer?.cancel()
    }

    /// Enters a stage and starts its time limit.
    func enter(_ next: Stage) {
        stage = next
        since = .now()
        if next == .idle { bytes = 0 }
        if !isStopping { schedule(timeLimit) }
        onChange()
    }

    /// Counts received bytes; returns false if the request is too long.
    func receive(_ count: Int) -> Bool {
        if stage == .silent || stage == .idle { enter(.receiving) }
        bytes += count
        return bytes <= limits.requestBytes
    }

    /// Starts to count the bytes of the next, pipelined request.
    func beginRequest() {
        if stage == .sending { bytes = 0 }
        enter(.computing)
    }

    /// Sets the last time limit: the endpoint is stopping.
    func stop() {
        guard !isStopping else { return }
        isStopping = true
        schedule(min(limits.stop, limits.request))
        channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
    }

    func close() {
        timer?.cancel()
        timer = nil
        channel.close(promise: nil)
    }

    private var timeLimit: Duration {
        switch stage {
        case .silent, .receiving, .sending, .lingering: limits.request
        case .computing: limits.operation
        case .idle: limits.idle
        }
    }

    private func schedule(_ time: Duration) {
        timer?.cancel()
        guard channel.isActive || stage == .silent else { return }
        timer = channel.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(time)) { [weak self] in
            self?.timeOut()
        }
    }

    private func timeOut() {
        if stage == .computing, !isStopping, let onOperationTimeout {
            onOperationTimeout()
        } else {
            close()
        }
    }
}

extension AdminConnection {
    /// The time that a client has to continue before its connection counts as abandoned.
    static let patience: TimeAmount = .seconds(1)

    /// Returns the position of a connection in the order in which connections are closed for new ones; lower is earlier,
    /// nil is never.
    ///
    /// First those whose client does nothing (silent, or has its response), then those that are kept for another
    /// request, then those that make slow progress. A connection younger than ``patience`` in its stage comes last, so
    /// that a flood of silent connections does not push out a client whose request is on its way.
    static func evictionRank(of stage: Stage, after waited: TimeAmount) -> Int? {
        switch stage {
        case .computing: nil
        case .silent, .lingering: waited < patience ? 2 : 0
        case .idle: waited < patience ? 2 : 1
        case .receiving, .sending: 2
        }
    }
}

/// Counts the raw bytes of a connection, and closes it if a request is too long. The first handler of the pipeline.
final class RequestSizeHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let connection: AdminConnection

    init(_ connection: AdminConnection) {
        self.connection = connection
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if connection.receive(unwrapInboundIn(data).readableBytes) {
            context.fireChannelRead(data)
        } else {
            connection.close()
        }
    }
}
