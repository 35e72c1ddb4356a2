import NIOCore
import NIOPosix
import Sockets

/// One short connection: sends a request and collects the response until it is conclusive.
struct StreamExchange: Sendable {
    /// Result of evaluating the response received so far.
    struct Conclusion<Value: Sendable>: Sendable {
        var value: Value
        /// Bytes to send after the response; the connection then stays open until the peer closes it. If nil, the
        /// connection is closed immediately, which causes an RST if there is unread data.
        var closingMessage: [UInt8]?
    }

    let address: Sockets.SocketAddress
    /// Bytes to send as soon as the connection is established.
    var request: [UInt8]
    /// Maximum number of bytes collected of a response.
    var answerLimit: Int
    /// Timeout for connection and response together.
    var timeout: Duration

    /// Maximum time for the peer to close after a farewell, and maximum number of bytes that it may still send.
    private static let closingTime = Duration.seconds(1)
    private static let maxClosingBytes = 64 << 10

    /// - Parameter conclude: evaluates all bytes received so far, at first none; returns nil while they are not
    ///   conclusive.
    /// - Returns: the value, and the time until it was found.
    func run<Value: Sendable>(
        until conclude: @Sendable ([UInt8]) -> Conclusion<Value>?
    ) async -> Result<(value: Value, duration: Duration), ExchangeFailure> {
        let start = ContinuousClock.now
        let channelDeadline = ChannelDeadline()
        defer { channelDeadline.release() }
        return await withTaskCancellationHandler {
            let channel: NIOAsyncChannel<ByteBuffer, ByteBuffer>
            do {
                channel = try await connect(channelDeadline)
            } catch {
                return .failure(channelDeadline.isCancelled ? .cancelled : Self.whyNotConnected(error))
            }
            channelDeadline.close(after: timeout - (ContinuousClock.now - start))
            do {
                return try await channel.executeThenClose { inbound, outbound in
                    var collector = Collector(stream: inbound.makeAsyncIterator(), limit: answerLimit)
                    if !request.isEmpty { try await outbound.write(ByteBuffer(bytes: request)) }
                    let conclusion = try await collector.collect(until: conclude)
                    let duration = ContinuousClock.now - start
                    if let closingMessage = conclusion.closingMessage {
                        channelDeadline.close(after: Self.closingTime)
                        // The result is final, however the connection ends.
                        try? await outbound.write(ByteBuffer(bytes: closingMessage))
                        outbound.finish()
                        try? await collector.skip(atMost: Self.maxClosingBytes)
                    }
                    return .success((conclusion.value, duration))
                }
            } catch {
                return .failure(channelDeadline.failure(of: error))
            }
        } onCancel: {
            channelDeadline.cancel()
        }
    }

    private func connect(_ channelDeadline: ChannelDeadline) async throws -> NIOAsyncChannel<ByteBuffer, ByteBuffer> {
        try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .connectTimeout(TimeAmount(timeout))
            .connect(to: NIOCore.SocketAddress(address)) { channel in
                channel.eventLoop.makeCompletedFuture {
                    channelDeadline.hold(channel)
                    return try NIOAsyncChannel(
                        wrappingChannelSynchronously: channel,
                        configuration: .init(isOutboundHalfClosureEnabled: true)
                    )
                }
            }
    }

    private static func whyNotConnected(_ error: any Error) -> ExchangeFailure {
        if case .connectTimeout = error as? ChannelError { return .timedOut(isConnected: false) }
        return .notConnected(SystemError(error))
    }

    /// Bytes received so far, and the stream of further ones.
    private struct Collector {
        var stream: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
        let limit: Int
        var bytes: [UInt8] = []

        init(stream: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator, limit: Int) {
            self.stream = stream
            self.limit = limit
        }

        mutating func collect<Value>(
            until conclude: @Sendable ([UInt8]) -> Conclusion<Value>?
        ) async throws -> Conclusion<Value> {
            while true {
                if let conclusion = conclude(bytes) { return conclusion }
                guard bytes.count < limit else { throw ExchangeFailure.tooLong }
                guard let more = try await stream.next() else { throw ExchangeFailure.ended(bytes) }
                bytes += more.readableBytesView.prefix(limit - bytes.count)
            }
        }

        mutating func skip(atMost count: Int) async throws {
            var skipped = 0
            while skipped < count, let more = try await stream.next() { skipped += more.readableBytes }
        }
    }
}
