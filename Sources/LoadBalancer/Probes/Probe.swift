public import Sockets

/// Runner of a single health check.
public enum Probe {
    /// Opens a connection, sends the request, evaluates the response and closes.
    ///
    /// - Parameters:
    ///   - preamble: bytes to send before everything else, such as a PROXY protocol header if the server requires one.
    ///   - timeout: timeout for connection and response together.
    /// - Returns: the time until the server was found to be up, or why it is not. If the task is canceled, returns
    ///   ``ProbeFailure/cancelled`` without waiting for the timeout.
    public static func run(
        _ check: Check,
        at address: SocketAddress,
        timeout: Duration,
        preamble: [UInt8] = []
    ) async -> Result<Duration, ProbeFailure> {
        let dialogue = check.dialogue
        let exchange = StreamExchange(
            address: address,
            question: preamble + (dialogue?.question ?? []),
            answerLimit: Check.answerLimit,
            timeout: timeout
        )
        let result = await exchange.run { answer -> StreamExchange.Conclusion<ProbeFailure?>? in
            guard let dialogue else { return .init(value: nil, farewell: nil) }
            return switch dialogue.judge(answer) {
            case .up(let farewell): .init(value: nil, farewell: farewell)
            case .down(let failure): .init(value: failure, farewell: nil)
            case nil: nil
            }
        }
        switch result {
        case .success((nil, let duration)): return .success(duration)
        case .success((let failure?, _)): return .failure(failure)
        case .failure(let failure): return .failure(ProbeFailure(failure, timeout: timeout))
        }
    }
}

extension ProbeFailure {
    init(_ failure: ExchangeFailure, timeout: Duration) {
        self =
            switch failure {
            case .timedOut(let isConnected): .timedOut(isConnected ? .waitingForAnswer : .connecting, after: timeout)
            case .notConnected(let error): .notConnected(error)
            case .broken(let error): .broken(error)
            case .ended(let bytes): .closed(got: quoted(bytes))
            case .tooLong: .longAnswer(limit: Check.answerLimit)
            case .cancelled: .cancelled
            }
    }
}
