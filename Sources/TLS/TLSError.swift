import CTLS

/// A TLS setting that cannot be used.
public enum TLSError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The program was built without a TLS library.
    case noLibrary
    case outOfMemory
    case noCertificate
    /// A certificate or its key cannot be used: the name of the source, and the reason.
    case certificate(String, String)
    /// The certificates of authorities cannot be used: the name of the source, and the reason.
    case authorities(String, String)
    /// No file with the system's authorities exists.
    case noSystemAuthorities
    /// A file of keys for session tickets cannot be used: its name.
    case ticketKeys(String)
    /// A setting with its value, and the reason.
    case setting(String, String)

    public var description: String {
        switch self {
        case .noLibrary:
            "TLS is not available: this program was built without the package trait TLS: build it with the default traits"
        case .outOfMemory:
            "cannot prepare TLS: the system is out of memory"
        case .noCertificate:
            "no certificate: name the files of a certificate chain and its private key"
        case .certificate(let name, let reason):
            "cannot use certificate \(name): \(reason): use a PEM file with the chain and an unencrypted PEM key of it"
        case .authorities(let name, let reason):
            "cannot use authorities \(name): \(reason): use a PEM file with their certificates"
        case .noSystemAuthorities:
            "cannot verify servers: the system has no file of trusted authorities: install the package ca-certificates, or "
                + "name a file"
        case .ticketKeys(let name):
            "cannot use session ticket keys \(name): must be 1 to \(SessionTicketKeys.maxKeys) keys of 80 bytes, or one of 48: "
                + "create one with openssl rand 80"
        case .setting(let setting, let reason):
            "invalid TLS \(setting): \(reason): see docs/tls.md"
        }
    }
}

/// The cause of a failed handshake or connection.
public struct TLSFailure: Hashable, Sendable, CustomStringConvertible {
    /// The number of the cause.
    public let code: Int64

    /// - Parameter code: the ``EndpointTransform/failure`` of a session.
    public init(code: Int64) {
        self.code = code
    }

    /// Whether the peer has answered an end of the stream without close_notify with an alert.
    public var isTruncationAlert: Bool { ctls_is_truncation_alert(code) }

    /// The server answered a request for TLS that it does not support it.
    public static let requestRefused: Int64 = .min
    /// The server answered a request for TLS with an error or with other bytes, or closed the connection.
    public static let requestFailed: Int64 = .min + 1

    /// The cause in words, such as "no shared cipher".
    public var description: String {
        switch code {
        case Self.requestRefused: return "the server does not support TLS: it answered SSLRequest with N"
        case Self.requestFailed: return "the server answered SSLRequest with an error, or not at all"
        default: break
        }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { text in
            text.initialize(repeating: 0)
            _ = ctls_describe(code, text.baseAddress!, text.count - 1)
            return String(cString: text.baseAddress!)
        }
    }
}
