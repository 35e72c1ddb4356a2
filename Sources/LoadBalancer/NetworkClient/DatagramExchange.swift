import NIOCore
import NIOPosix
import Sockets

/// One request datagram and the first matching response.
struct DatagramExchange: Sendable {
    let address: Sockets.SocketAddress
    let request: [UInt8]
    let timeout: Duration

    /// Maximum number of datagrams that do not match: forged ones, or late responses to an earlier request from this
    /// port.
    private static let strayLimit = 64

    /// - Parameter conclude: parses a datagram; returns nil if it is not a response to the request.
    func run<Value: Sendable>(until conclude: @Sendable ([UInt8]) -> Value?) async -> Result<Value, ExchangeFailure> {
        let channelDeadline = ChannelDeadline()
        defer { channelDeadline.release() }
        return await withTaskCancellationHandler {
            do {
                let target = try NIOCore.SocketAddress(address)
                let channel = try await connect(to: target, channelDeadline)
                channelDeadline.close(after: timeout)
                return try await channel.executeThenClose { inbound, outbound in
                    try await outbound.write(
                        AddressedEnvelope(remoteAddress: target, data: ByteBuffer(bytes: request))
                    )
                    var strays = 0
                    for try await datagram in inbound {
                        if let value = conclude(Array(datagram.data.readableBytesView)) { return .success(value) }
                        strays += 1
                        guard strays < Self.strayLimit else { throw ExchangeFailure.tooLong([]) }
                    }
                    throw ExchangeFailure.ended([])
                }
            } catch {
                return .failure(channelDeadline.failure(of: error))
            }
        } onCancel: {
            channelDeadline.cancel()
        }
    }

    private typealias Datagrams = NIOAsyncChannel<AddressedEnvelope<ByteBuffer>, AddressedEnvelope<ByteBuffer>>

    /// Connects the socket: the kernel then drops datagrams from other addresses and reports ECONNREFUSED.
    private func connect(to target: NIOCore.SocketAddress, _ channelDeadline: ChannelDeadline) async throws -> Datagrams
    {
        try await DatagramBootstrap(group: .singletonMultiThreadedEventLoopGroup).connect(to: target) { channel in
            channel.eventLoop.makeCompletedFuture {
                channelDeadline.hold(channel)
                return try Datagrams(wrappingChannelSynchronously: channel)
            }
        }
    }
}
