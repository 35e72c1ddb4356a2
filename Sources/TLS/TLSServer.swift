import CTLS
import Glibc

/// The server that a client connects to: its name for SNI and the verification of its certificate, and the last session for
/// resumption.
public final class TLSServer: Sendable {
    /// The DNS name or IP address.
    public let name: String
    private let isAddress: Bool
    // Safe: the library guards the session with a lock.
    nonisolated(unsafe) private let resumption: OpaquePointer?

    /// - Parameters:
    ///   - name: a DNS name, or an IP address, which is not sent as SNI (RFC 6066, 3).
    ///   - resumes: whether sessions are resumed. The certificate of a resumed session is not verified again.
    public init(_ name: String, resumes: Bool = true) {
        self.name = name
        var address = in6_addr()
        isAddress = inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1
        resumption = resumes ? ctls_resumption_new() : nil
    }

    deinit {
        if let resumption { ctls_resumption_free(resumption) }
    }

    func apply(to session: OpaquePointer) -> Bool {
        guard ctls_session_set_server(session, name, isAddress) else { return false }
        if let resumption { ctls_session_set_resumption(session, resumption) }
        return true
    }

    func apply(to session: OpaquePointer, resumption use: TLSResumption) -> Bool {
        guard ctls_session_set_server(session, name, isAddress) else { return false }
        if let resumption, use != .off { ctls_session_choose_resumption(session, resumption, use == .offer) }
        return true
    }
}

/// What a connection does with the stored session of its server.
public enum TLSResumption: Sendable {
    /// Nothing: a full handshake, whose session is not stored.
    case off
    /// A full handshake, whose session is stored.
    case store
    /// Resumes the stored session if there is one, and stores the new one. A session of TLS 1.3 is offered once
    /// (RFC 8446, C.4).
    case offer
}
