import Logging

/// A request whose response is not computed yet.
struct PendingRequest: Sendable {
    let request: AdminRequest
    let compute: @Sendable () async -> AdminResponse
    /// Writes the response to the connection; has no effect if the connection is closed.
    let deliver: @Sendable (AdminResponse) -> Void

    func answer(logger: Logger) async {
        let response = await compute()
        logger.debug("\(request.method) \(request.path): \(response.status)")
        deliver(response)
    }
}
