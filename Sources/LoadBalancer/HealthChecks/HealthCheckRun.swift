package import Sockets

/// Runner of a single health check.
package enum HealthCheckRun {
    /// Opens a connection, sends the request, evaluates the response and closes.
    ///
    /// - Parameters:
    ///   - preamble: bytes to send before everything else, such as a PROXY protocol header if the server requires one.
    ///   - tls: TLS; nil checks without.
    ///   - timeout: timeout for connection and response together.
    /// - Returns: the time until the server was found to be up, or why it is not. If the task is canceled, returns
    ///   ``HealthCheckFailure/cancelled`` without waiting for the timeout.
    package static func run(
        _ check: HealthCheckKind,
        at address: SocketAddress,
        timeout: Duration,
        preamble: [UInt8] = [],
        tls: StreamTLS? = nil
    ) async -> Result<Duration, HealthCheckFailure> {
        let exchange = check.exchange(withTLS: tls != nil)
        let stream = StreamExchange(
            address: address,
            preamble: preamble,
            request: exchange?.request ?? [],
            answerLimit: HealthCheckKind.answerLimit,
            timeout: timeout,
            tls: tls.map { settings in
                StreamExchange.TLS(
                    settings: settings,
                    protocols: check.applicationProtocols,
                    startsImmediately: exchange?.requestsTLS != true
                )
            }
        )
        let result = await stream.run { answer, sent -> StreamExchange.Step<HealthCheckFailure?>? in
            guard let exchange else {
                // A server sends session tickets: closing before they are received would reset the connection.
                return .conclude(.init(value: nil, closingMessage: tls == nil ? nil : []))
            }
            return switch exchange.evaluate(answer, sent: sent) {
            case .up(let closingMessage): .conclude(.init(value: nil, closingMessage: closingMessage))
            case .down(let failure): .conclude(.init(value: failure, closingMessage: nil))
            case .next(let message): .send(message)
            case .startTLS(let message, let request): .startTLS(after: message, request: request)
            case nil: nil
            }
        }
        switch result {
        case .success((nil, let duration)): return .success(duration)
        case .success((let failure?, _)): return .failure(failure)
        case .failure(let failure):
            return .failure(HealthCheckFailure(failure, of: exchange, timeout: timeout, name: tls?.name ?? ""))
        }
    }
}

extension HealthCheckFailure {
    init(_ failure: ExchangeFailure, of exchange: (any HealthCheckExchange)?, timeout: Duration, name: String) {
        let expected = exchange as? ExpectedBytes
        self =
            switch failure {
            case .timedOut(_, let bytes) where !bytes.isEmpty:
                expected.map { .mismatch(got: excerpt($0.received(in: bytes)), after: timeout) }
                    ?? .incomplete(got: excerpt(bytes), after: timeout)
            case .timedOut(let isConnected, _): .timedOut(isConnected ? .waitingForAnswer : .connecting, after: timeout)
            case .notConnected(let error): .notConnected(error)
            case .broken(let error): .broken(error)
            case .ended(let bytes): .closed(got: excerpt(bytes))
            case .tooLong(let bytes): .longAnswer(limit: HealthCheckKind.answerLimit, got: excerpt(bytes))
            case .handshakeTimedOut: .timedOut(.handshake, after: timeout)
            case .handshakeEnded: .closedInHandshake
            case .tls(let cause): .tls(cause: cause, name: name)
            case .cancelled: .cancelled
            }
    }
}
