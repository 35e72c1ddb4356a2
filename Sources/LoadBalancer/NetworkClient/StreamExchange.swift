import CLinux
import Glibc
import NIOCore
import NIOPosix
import Sockets

/// One short connection: sends a request and collects the response until it is conclusive, or until it calls for a
/// further request.
struct StreamExchange: Sendable {
    /// Result of evaluating the response received so far.
    struct Conclusion<Value: Sendable>: Sendable {
        var value: Value
        /// Bytes to send after the response; the connection then stays open until the peer closes it. If nil, the
        /// connection is closed immediately, which causes an RST if there is unread data.
        var closingMessage: [UInt8]?
    }

    /// What to do after a part of the response.
    enum Step<Value: Sendable>: Sendable {
        case send([UInt8])
        /// Sends a message, starts TLS and then sends a request (STARTTLS). What has been received before is discarded.
        case startTLS(after: [UInt8], request: [UInt8])
        case conclude(Conclusion<Value>)
    }

    let address: Sockets.SocketAddress
    /// Bytes to send as soon as the connection is established, also before TLS.
    var preamble: [UInt8] = []
    /// Bytes to send as soon as the connection is established, or as soon as the TLS handshake is complete.
    var request: [UInt8]
    /// Maximum number of bytes collected of a response.
    var answerLimit: Int
    /// Timeout for connection and response together.
    var timeout: Duration
    /// TLS; nil sends the bytes as they are.
    var tls: TLS?

    /// TLS of a connection.
    struct TLS: Sendable {
        var settings: StreamTLS
        /// Application protocols to offer; nil offers those of the settings.
        var protocols: [String]?
        /// Whether TLS starts with the connection, and not after a request for it.
        var startsImmediately = true
    }

    /// Maximum time for the peer to close after a farewell, and maximum number of bytes that it may still send.
    private static let closingTime = Duration.seconds(1)
    private static let maxClosingBytes = 64 << 10
    /// Maximum number of further requests.
    static let maxFurtherRequests = 16
    /// SwiftNIO's own connect timeout must not expire before the deadline.
    private static let connectTimeout = TimeAmount.hours(24 * 365)

    /// - Parameter conclude: evaluates all bytes received so far, at first none; returns nil while they are not
    ///   conclusive.
    /// - Returns: the value, and the time until it was found.
    func run<Value: Sendable>(
        until conclude: @Sendable ([UInt8]) -> Conclusion<Value>?
    ) async -> Result<(value: Value, duration: Duration), ExchangeFailure> {
        await run { (bytes: [UInt8], _: Int) -> Step<Value>? in conclude(bytes).map { .conclude($0) } }
    }

    /// - Parameter evaluate: evaluates all bytes received so far, at first none, and the number of further requests
    ///   sent; returns nil while more bytes are needed.
    /// - Returns: the value, and the time until it was found.
    func run<Value: Sendable>(
        until evaluate: @Sendable (_ answer: [UInt8], _ sent: Int) -> Step<Value>?
    ) async -> Result<(value: Value, duration: Duration), ExchangeFailure> {
        let start = ContinuousClock.now
        let channelDeadline = ChannelDeadline()
        defer { channelDeadline.release() }
        return await withTaskCancellationHandler {
            let channel: NIOAsyncChannel<ByteBuffer, ByteBuffer>
            do {
                channel = try await connect(channelDeadline)
            } catch {
                return .failure(channelDeadline.failure(of: error, isConnected: false))
            }
            guard await !Self.closeIfConnectedToItself(channel.channel) else {
                return .failure(.notConnected(.connectionRefused))
            }
            do {
                return try await channel.executeThenClose { inbound, outbound in
                    var stream = ExchangeStream(inbound.makeAsyncIterator(), outbound, limit: answerLimit)
                    try await stream.send(preamble)
                    if let tls, tls.startsImmediately { try await stream.startTLS(tls) }
                    try await stream.send(request)
                    let conclusion = try await stream.collect(tls, until: evaluate)
                    let duration = ContinuousClock.now - start
                    // The result is final, however the connection ends.
                    if let closingMessage = conclusion.closingMessage {
                        channelDeadline.close(after: Self.closingTime)
                        try? await stream.send(closingMessage)
                        try? await stream.end()
                        outbound.finish()
                        try? await stream.skip(atMost: Self.maxClosingBytes)
                    } else {
                        try? await stream.end()
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
        let bootstrap = ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .connectTimeout(Self.connectTimeout)
        let wrap: @Sendable (any Channel) -> EventLoopFuture<NIOAsyncChannel<ByteBuffer, ByteBuffer>> = { channel in
            channel.eventLoop.makeCompletedFuture {
                channelDeadline.hold(channel)
                channelDeadline.close(after: timeout)
                return try NIOAsyncChannel(
                    wrappingChannelSynchronously: channel,
                    configuration: .init(isOutboundHalfClosureEnabled: true)
                )
            }
        }
        guard address.isAbstract else {
            return try await bootstrap.connect(to: NIOCore.SocketAddress(address), channelInitializer: wrap)
        }
        return try await bootstrap.withConnectedSocket(connectLocally(), channelInitializer: wrap)
    }

    /// Connects to a Unix socket, which succeeds or fails without waiting.
    private func connectLocally() throws -> CInt {
        let result = linux_socket(AF_UNIX)
        guard result >= 0 else { throw SystemError(result: result) }
        let socket = CInt(result)
        var raw = RawAddress(address)
        let connected = linux_connect(socket, &raw.address)
        guard connected >= 0 else {
            linux_close(socket)
            throw SystemError(result: connected)
        }
        return socket
    }

    /// Resets a channel that is connected to itself: the system chose the port of the destination as the local port, and
    /// no server listens there.
    ///
    /// - Returns: whether the channel was connected to itself.
    static func closeIfConnectedToItself(_ channel: any Channel) async -> Bool {
        guard let local = channel.localAddress, local.port != nil, local == channel.remoteAddress else { return false }
        // With a regular close, the port would stay in use for a minute, and the server could not listen there.
        if let options = channel as? any SocketOptionProvider {
            try? await options.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
        }
        try? await channel.close()
        return true
    }
}
