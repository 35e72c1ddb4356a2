/// An OCSP response (RFC 6960): what an authority says about the revocation of a certificate. It is sent to clients that
/// request it together with the certificate ("stapled"), and they verify its signature.
public struct OCSPResponse: Sendable, Hashable {
    /// What the authority says about the certificate.
    public enum Status: Sendable, Hashable {
        case good, revoked, unknown
    }

    /// The serial number of the certificate in hexadecimal digits, without leading zeros.
    public var serial: String
    public var status: Status
    /// When the status was known to be true, and when the next response is available, in seconds since 1970.
    public var thisUpdate: Int64
    public var nextUpdate: Int64?

    /// The maximum size in bytes: responses have one or two kilobytes, and each handshake sends all of it.
    public static let maxSize = 16 * 1024

    /// Reads the first status in a response.
    ///
    /// - Parameter der: the response in DER, as `openssl ocsp -respout` writes it.
    /// - Returns: nil if it is malformed, or states no status.
    public init?(der: [UInt8]) {
        guard der.count <= Self.maxSize else { return nil }
        var text = DERReader(der[...])
        // OCSPResponse: the status, 0 for success, and the bytes of a BasicOCSPResponse.
        guard var response = text.enter(.sequence), let result = response.read(.enumerated), Array(result) == [0],
            var wrapped = response.enter(.explicit(0)), var bytes = wrapped.enter(.sequence),
            let type = bytes.read(.objectIdentifier), Array(type) == Self.basicResponse,
            let content = bytes.read(.octetString)
        else { return nil }
        var basic = DERReader(content)
        // ResponseData: the version, the responder, the time, and the statuses of certificates.
        guard var signed = basic.enter(.sequence), var data = signed.enter(.sequence) else { return nil }
        _ = data.read(.explicit(0))
        guard data.read(.explicit(1)) ?? data.read(.explicit(2)) != nil, data.read(.generalizedTime) != nil,
            var statuses = data.enter(.sequence), var single = statuses.enter(.sequence)
        else { return nil }
        // CertID: the algorithm, the hashes of the issuer's name and key, and the serial number.
        guard var certificate = single.enter(.sequence), certificate.read(.sequence) != nil,
            certificate.read(.octetString) != nil, certificate.read(.octetString) != nil,
            let serial = certificate.read(.integer)
        else { return nil }
        self.serial = CertificateInfo.serial(serial)
        if single.read(.implicit(0)) != nil {
            status = .good
        } else if single.read(.explicit(1)) != nil {
            status = .revoked
        } else if single.read(.implicit(2)) != nil {
            status = .unknown
        } else {
            return nil
        }
        guard let thisUpdate = single.read(.generalizedTime).flatMap(DERReader.seconds) else { return nil }
        self.thisUpdate = thisUpdate
        if var next = single.enter(.explicit(0)) {
            guard let time = next.read(.generalizedTime).flatMap(DERReader.seconds) else { return nil }
            nextUpdate = time
        }
    }

    /// id-pkix-ocsp-basic, 1.3.6.1.5.5.7.48.1.1.
    private static let basicResponse: [UInt8] = [0x2B, 6, 1, 5, 5, 7, 0x30, 1, 1]

    /// Returns why the response cannot be sent with a certificate; nil if it can.
    ///
    /// - Parameter now: seconds since 1970.
    public func problem(for certificate: CertificateInfo, at now: Int64) -> String? {
        if serial != certificate.serial { return "it is for another certificate, with the serial number \(serial)" }
        if status != .good { return "it states that the certificate is \(status)" }
        if thisUpdate > now + Self.clockTolerance { return "it is not valid yet" }
        if let nextUpdate, nextUpdate <= now { return "it is out of date" }
        return nil
    }

    /// The difference in seconds by which the authority's clock may be ahead.
    private static let clockTolerance: Int64 = 300
}

/// Reader of DER (ITU-T X.690). It never reads beyond the bytes.
struct DERReader {
    enum Tag {
        case integer, octetString, objectIdentifier, enumerated, generalizedTime, sequence
        /// A context-specific tag of a constructed value.
        case explicit(UInt8)
        /// A context-specific tag of a primitive value.
        case implicit(UInt8)

        var byte: UInt8 {
            switch self {
            case .integer: 0x02
            case .octetString: 0x04
            case .objectIdentifier: 0x06
            case .enumerated: 0x0A
            case .generalizedTime: 0x18
            case .sequence: 0x30
            case .explicit(let number): 0xA0 | number
            case .implicit(let number): 0x80 | number
            }
        }
    }

    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) {
        rest = bytes
    }

    /// Returns the content of the next value; nil without a change if it has another tag or is malformed.
    mutating func read(_ tag: Tag) -> ArraySlice<UInt8>? {
        var bytes = rest
        guard bytes.popFirst() == tag.byte, let first = bytes.popFirst() else { return nil }
        var length = Int(first)
        if first >= 0x80 {
            // At most two bytes of length: a response has at most 16 KiB.
            guard (0x81...0x82).contains(first) else { return nil }
            length = 0
            for _ in 0..<(first & 0x7F) {
                guard let byte = bytes.popFirst() else { return nil }
                length = length << 8 | Int(byte)
            }
        }
        guard length <= bytes.count else { return nil }
        rest = bytes.dropFirst(length)
        return bytes.prefix(length)
    }

    /// Returns a reader of the content of the next value.
    mutating func enter(_ tag: Tag) -> DERReader? { read(tag).map(DERReader.init) }

    /// Returns the seconds since 1970 of a GeneralizedTime such as `20250131120000Z`; nil if it is malformed.
    static func seconds(_ time: ArraySlice<UInt8>) -> Int64? {
        guard time.count == 15, time.last == UInt8(ascii: "Z") else { return nil }
        var numbers: [Int64] = []
        var rest = time
        for length in [4, 2, 2, 2, 2, 2] {
            var number: Int64 = 0
            for digit in rest.prefix(length) {
                guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
                number = number * 10 + Int64(digit - UInt8(ascii: "0"))
            }
            numbers.append(number)
            rest = rest.dropFirst(length)
        }
        guard (1...12).contains(numbers[1]), (1...31).contains(numbers[2]) else { return nil }
        // Days since 1970-03-01 of a calendar whose years begin in March, so that a leap day is the last one.
        let year = numbers[1] > 2 ? numbers[0] : numbers[0] - 1
        let dayOfYear = (153 * ((numbers[1] + 9) % 12) + 2) / 5 + numbers[2] - 1
        let days = 365 * year + year / 4 - year / 100 + year / 400 + dayOfYear - 719_468
        return days * 86_400 + numbers[3] * 3600 + numbers[4] * 60 + numbers[5]
    }
}
