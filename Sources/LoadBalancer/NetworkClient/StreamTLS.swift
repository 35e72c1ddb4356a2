package import TLS

/// TLS of exchanges with one server.
package struct StreamTLS: Sendable {
    /// nil if it could not be created; every exchange then fails.
    let context: TLSContext?
    /// The name or IP address that the server's certificate must have.
    package let name: String

    package init(_ context: TLSContext?, name: String) {
        self.context = context
        self.name = name
    }

    /// Starts a connection; returns nil if the system is out of memory, or if there is no context.
    ///
    /// - Parameter protocols: the application protocols to offer; nil offers those of the context.
    func connect(offering protocols: [String]?) -> TLSClient? {
        // Sessions are not resumed: the certificate is to be verified each time, and the sessions of clients' connections,
        // of which a server may accept each only once, stay untouched.
        let server = TLSServer(name, resumes: false)
        guard let context, let session = TLSSession.connect(context, to: server) else { return nil }
        let client = TLSClient(session)
        if let protocols, !session.offer(protocols) { return nil }
        return client
    }
}

extension StreamTLS: Equatable {
    package static func == (first: StreamTLS, second: StreamTLS) -> Bool {
        first.context === second.context && first.name == second.name
    }
}
