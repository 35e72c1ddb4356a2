import CTLS
import Glibc

/// What a certificate says about itself.
public struct CertificateInfo: Sendable, Hashable {
    /// The DNS names and IP addresses that it is valid for (subjectAltName; RFC 6125 ignores the common name).
    public var names: [String]
    /// When it begins and ends to be valid, in seconds since 1970.
    public var notBefore: Int64
    public var notAfter: Int64
    /// The algorithm of its key: `EC`, `RSA` or `Ed25519`.
    public var algorithm: String
    /// The serial number in hexadecimal digits, without leading zeros.
    public var serial: String
    /// The number, from 2, of the first certificate of the chain that has not issued the one before it; nil if there is
    /// none.
    public var misplaced: Int?

    /// Reads the first certificate of a PEM text.
    ///
    /// - Throws: ``TLSError/noLibrary``, ``TLSError/certificate(_:_:)``.
    public init(_ text: PEMText) throws(TLSError) {
        guard TLSLibrary.isAvailable else { throw .noLibrary }
        var certificate = ctls_certificate()
        try withReason {
            ctls_certificate_read(text.bytes, text.bytes.count, &certificate, $0, $1)
        } orThrow: {
            .certificate(text.name, $0)
        }
        defer {
            free(certificate.names)
            free(certificate.serial)
        }
        names = certificate.names.map { String(cString: $0).split(separator: "\n").map(String.init) } ?? []
        notBefore = certificate.not_before
        notAfter = certificate.not_after
        algorithm = certificate.algorithm.map { String(cString: $0) } ?? ""
        serial = Self.withoutZeros(certificate.serial.map { String(cString: $0) } ?? "")
        misplaced = certificate.misplaced == 0 ? nil : certificate.misplaced
    }

    /// Whether the certificate is valid.
    ///
    /// - Parameter time: seconds since 1970.
    public func isValid(at time: Int64) -> Bool { notBefore <= time && time < notAfter }

    /// Returns a serial number in hexadecimal digits.
    static func serial(_ bytes: ArraySlice<UInt8>) -> String {
        withoutZeros(bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined())
    }

    private static func withoutZeros(_ digits: String) -> String { String(digits.drop { $0 == "0" }) }
}

extension TLSCertificate {
    /// The days for which a self-signed certificate is valid.
    public static let selfSignedDays = 30

    /// Creates a certificate for a name that is signed by its own key, in memory.
    ///
    /// - Parameters:
    ///   - name: a DNS name or an IP address.
    ///   - isAddress: whether it is an IP address.
    ///   - days: the days for which it is valid; one that is negative has expired.
    /// - Throws: ``TLSError/noLibrary``, ``TLSError/certificate(_:_:)``.
    public static func selfSigned(
        name: String,
        isAddress: Bool,
        days: Int = selfSignedDays
    ) throws(TLSError) -> TLSCertificate {
        guard TLSLibrary.isAvailable else { throw .noLibrary }
        var chain: UnsafeMutablePointer<CChar>?
        var key: UnsafeMutablePointer<CChar>?
        defer {
            free(chain)
            free(key)
        }
        guard name.utf8.count <= 253, ctls_self_signed(name, isAddress, Int32(clamping: days), &chain, &key),
            let chain, let key
        else { throw .certificate("for '\(name)'", "the name is invalid") }
        return TLSCertificate(
            chain: PEMText(name: "self-signed", bytes: Array(String(cString: chain).utf8)),
            key: SecretBytes(name: "self-signed", moving: key)
        )
    }
}
