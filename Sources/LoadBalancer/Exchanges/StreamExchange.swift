import NIOCore
import NIOPosix
import Sockets

/// One short connection: something is sent, what comes back is collected until it is enough, and that is all.
struct StreamExchange: Sendable {
    /// What the answer so far amounts to.
    struct Conclusion<Value: Sendable>: Sendable {
        var value: Value
        /// Sent after the answer, which then waits for the other side to close first. Nil closes at once, which is a reset
        /// where bytes have come that nobody read.
        var farewell: [UInt8]?
    }

    let address: Sockets.SocketAddress
    /// Sent as soon as the connection stands.
    var question: [UInt8]
    /// The most of an answer that is collected, in bytes.
    var answerLimit: Int
    /// For the connection and the answer together.
    var timeout: Duration

    /// How long the other side may take to close after a farewell, and how much it may still send.
    private static let farewellTime = Duration.seconds(1)
    private static let farewellBytes = 64 << 10

    /// - Parameter conclude: is shown all that has come, at first nothing; gives nil while that is not enough.
    /// - Returns: the conclusion, and the time that it took.
    func run<Value: Sendable>(
        until conclude: @Sendable ([UInt8]) -> Conclusion<Value>?
    ) async -> Result<(value: Value, duration: Duration), ExchangeFailure> {
        let start = ContinuousClock.now
        let lifeline = Lifeline()
        defer { lifeline.release() }
        return await withTaskCancellationHandler {
            let channel: NIOAsyncChannel<ByteBuffer, ByteBuffer>
            do {
                channel = try await connect(lifeline)
            } catch {
                return .failure(lifeline.isCancelled ? .cancelled : Self.whyNotConnected(error))
            }
            lifeline.close(after: timeout - (ContinuousClock.now - start))
            do {
                return try await channel.executeThenClose { inbound, outbound in
                    var collector = Collector(stream: inbound.makeAsyncIterator(), limit: answerLimit)
                    if !question.isEmpty { try await outbound.write(ByteBuffer(bytes: question)) }
                    let conclusion = try await collector.collect(until: conclude)
                    let duration = ContinuousClock.now - start
                    if let farewell = conclusion.farewell {
                        lifeline.close(after: Self.farewellTime)
                        // The answer stands, however the connection ends.
                        try? await outbound.write(ByteBuffer(bytes: farewell))
                        outbound.finish()
                        try? await collector.skip(atMost: Self.farewellBytes)
                    }
                    return .success((conclusion.value, duration))
                }
            } catch {
                if lifeline.isCancelled { return .failure(.cancelled) }
                if lifeline.isExpired { return .failure(.timedOut(isConnected: true)) }
                return .failure(error as? ExchangeFailure ?? .broken(SystemError(error)))
            }
        } onCancel: {
            lifeline.cancel()
        }
    }

    private func connect(_ lifeline: Lifeline) async throws -> NIOAsyncChannel<ByteBuffer, ByteBuffer> {
        try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .connectTimeout(TimeAmount(timeout))
            .connect(to: NIOCore.SocketAddress(address)) { channel in
                channel.eventLoop.makeCompletedFuture {
                    lifeline.hold(channel)
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

    /// What has come, and what is still to come.
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
