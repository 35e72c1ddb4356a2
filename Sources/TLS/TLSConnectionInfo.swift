import CTLS

/// The result of a handshake, and the peer's certificate. Read from a session on request, so that connections keep no texts.
public struct TLSConnectionInfo: Sendable, Hashable {
    public var version: TLSVersion
    /// OpenSSL's name of the cipher suite.
    public var cipher: String
    /// The application protocol (ALPN); nil if none was agreed on.
    public var applicationProtocol: String?
    /// The SNI host name as the client sent it, which need not be a host name; nil if it sent none.
    public var serverName: String?
    /// Whether an earlier session was resumed.
    public var isResumed: Bool
    /// The peer's certificate; nil if it sent none. That of a resumed session was sent when the session began.
    public var certificate: Certificate?

    /// The certificate of a peer.
    public struct Certificate: Sendable, Hashable {
        /// The subject in the format of RFC 4514, in printable ASCII, such as `CN=client,O=Example`. One of more than
        /// ``TLSConnectionInfo/maxSubjectLength`` bytes ends with three periods.
        public var subject: String
        /// The last common name of the subject; nil if it has none, or one with a zero byte or of more than
        /// ``TLSConnectionInfo/maxSubjectLength`` bytes.
        public var commonName: String?
        /// The SHA-256 hash of the certificate in hexadecimal digits.
        public var fingerprint: String
        /// Whether the certificate was verified.
        public var isVerified: Bool

        /// Creates a description of a certificate.
        public init(subject: String, commonName: String?, fingerprint: String, isVerified: Bool) {
            self.subject = subject
            self.commonName = commonName
            self.fingerprint = fingerprint
            self.isVerified = isVerified
        }
    }

    /// The maximum length in bytes of a subject and of a common name.
    public static let maxSubjectLength = 1024

    /// Creates a description of a connection.
    public init(version: TLSVersion, cipher: String, isResumed: Bool = false) {
        self.version = version
        self.cipher = cipher
        self.isResumed = isResumed
    }
}

extension TLSSession {
    public var connectionInfo: TLSConnectionInfo? {
        guard ctls_is_established(pointer), let version else { return nil }
        var info = TLSConnectionInfo(version: version, cipher: cipher, isResumed: isResumed)
        info.applicationProtocol = applicationProtocol
        info.serverName = ctls_server_name(pointer).map { String(cString: $0) }
        info.certificate = peerCertificate
        return info
    }

    private var peerCertificate: TLSConnectionInfo.Certificate? {
        var digest = [UInt8](repeating: 0, count: Int(CTLS_FINGERPRINT_SIZE))
        guard ctls_peer_fingerprint(pointer, &digest) else { return nil }
        let subject = text { ctls_peer_subject(pointer, $0, $1) }
        let commonName = text { ctls_peer_common_name(pointer, $0, $1) }
        let digits = Array("0123456789abcdef".utf8)
        return TLSConnectionInfo.Certificate(
            subject: subject.isWhole ? subject.text : subject.text + "...",
            commonName: commonName.isWhole && !commonName.text.isEmpty ? commonName.text : nil,
            fingerprint: String(
                decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] },
                as: UTF8.self
            ),
            isVerified: ctls_is_peer_verified(pointer)
        )
    }

    /// Calls a function that stores a text and returns its length, which may be more than it has stored.
    private func text(_ body: (UnsafeMutablePointer<CChar>, Int) -> Int) -> (text: String, isWhole: Bool) {
        let capacity = TLSConnectionInfo.maxSubjectLength + 1
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity) { buffer in
            buffer.initialize(repeating: 0)
            let length = body(buffer.baseAddress!, capacity)
            return (String(cString: buffer.baseAddress!), length < capacity)
        }
    }
}
