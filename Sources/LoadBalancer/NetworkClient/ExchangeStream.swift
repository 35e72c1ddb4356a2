import NIOCore
import TLS

/// The two directions of an exchange's connection, and the bytes of the response received so far.
struct ExchangeStream {
    private var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private let limit: Int
    private var bytes: [UInt8] = []
    private var tls: TLSClient?

    /// - Parameter limit: maximum number of bytes collected.
    init(
        _ inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator,
        _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>,
        limit: Int
    ) {
        self.inbound = inbound
        self.outbound = outbound
        self.limit = limit
    }

    mutating func collect<Value>(
        _ settings: StreamExchange.TLS?,
        until evaluate: @Sendable ([UInt8], Int) -> StreamExchange.Step<Value>?
    ) async throws -> StreamExchange.Conclusion<Value> {
        var sent = 0
        while true {
            switch evaluate(bytes, sent) {
            case .conclude(let conclusion):
                return conclusion
            case .send(let message):
                try count(&sent)
                try await send(message)
            case .startTLS(let message, let request):
                try count(&sent)
                try await send(message)
                bytes = []
                if let settings { try await startTLS(settings) }
                try await send(request)
            case nil:
                guard bytes.count < limit else { throw ExchangeFailure.tooLong(bytes) }
                guard let more = try await receive() else { throw ExchangeFailure.ended(bytes) }
                bytes += more.prefix(limit - bytes.count)
            }
        }
    }

    /// Counts a further request.
    private func count(_ sent: inout Int) throws {
        guard sent < StreamExchange.maxFurtherRequests else { throw ExchangeFailure.tooLong(bytes) }
        sent += 1
    }

    /// Receives and discards bytes until the peer ends the stream.
    mutating func skip(atMost count: Int) async throws {
        var skipped = 0
        while skipped < count, let more = try await receive() { skipped += more.count }
    }

    func send(_ message: [UInt8]) async throws {
        guard !message.isEmpty else { return }
        guard let tls else { return try await outbound.write(ByteBuffer(bytes: message)) }
        let isEncoded = tls.encode(message)
        try await flush(tls)
        if !isEncoded { throw ExchangeFailure.tls("\(tls.failure)") }
    }

    /// Returns the next bytes, of which there may be none; nil at the end of the stream.
    private mutating func receive() async throws -> [UInt8]? {
        guard let tls else { return try await inbound.next().map { Array($0.readableBytesView) } }
        // Terminates: each iteration but the last consumes bytes of the peer, or its end.
        while true {
            let (result, plaintext) = tls.decode()
            // A failure of the connection takes precedence over that of sending the alert for it.
            if result != .failed { try await flush(tls) } else { try? await flush(tls) }
            switch result {
            case .done: return plaintext
            case .closed, .truncated: return nil
            case .failed, .needsOutput: throw ExchangeFailure.tls("\(tls.failure)")
            case .needsInput: try await receive(for: tls)
            }
        }
    }

    // MARK: TLS

    /// Completes a TLS handshake; all bytes are encrypted from then on.
    mutating func startTLS(_ settings: StreamExchange.TLS) async throws {
        guard let tls = settings.settings.connect(offering: settings.protocols) else {
            throw ExchangeFailure.tls("TLS cannot be prepared")
        }
        // Terminates: each iteration but the last consumes bytes of the peer, and the library limits a handshake's size.
        while true {
            let result = tls.handshake()
            do {
                try await flush(tls)
            } catch {
                // The failure of the handshake takes precedence. An error without an errno is that the peer has closed.
                if result != .failed { throw error is IOError ? error : ExchangeFailure.handshakeEnded }
            }
            switch result {
            case .done:
                self.tls = tls
                return
            case .needsInput:
                if try await !receive(for: tls) { throw ExchangeFailure.handshakeEnded }
            case .closed, .truncated: throw ExchangeFailure.handshakeEnded
            case .failed, .needsOutput: throw ExchangeFailure.tls("\(tls.failure)")
            }
        }
    }

    /// Sends the end of this side's plaintext, if there is TLS.
    func end() async throws {
        guard let tls else { return }
        tls.end()
        try await flush(tls)
    }

    /// Passes received bytes, or the end of the stream, to the session.
    ///
    /// - Returns: false at the end of the stream.
    @discardableResult
    private mutating func receive(for tls: TLSClient) async throws -> Bool {
        guard let more = try await inbound.next() else {
            tls.receiveEnd()
            return false
        }
        tls.receive(more.readableBytesView)
        return true
    }

    private func flush(_ tls: TLSClient) async throws {
        let output = tls.takeOutput()
        if !output.isEmpty { try await outbound.write(ByteBuffer(bytes: output)) }
    }
}
