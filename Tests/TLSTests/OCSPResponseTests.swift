import Support
import Testing

@testable import TLS

@Suite("OCSP responses")
struct OCSPResponseTests {
    private static func der(_ tag: UInt8, _ content: [UInt8]...) -> [UInt8] {
        let bytes = content.flatMap { $0 }
        let length: [UInt8] =
            bytes.count < 0x80
            ? [UInt8(bytes.count)] : [0x82, UInt8(bytes.count >> 8), UInt8(truncatingIfNeeded: bytes.count)]
        return [tag] + length + bytes
    }

    private static func response(
        serial: [UInt8] = [0x12, 0x34],
        status: [UInt8] = [0x80, 0],
        thisUpdate: String = "20250101000000Z",
        nextUpdate: String? = "20250108000000Z",
        result: UInt8 = 0
    ) -> [UInt8] {
        let certificate = der(0x30, der(0x30, [6, 1, 0x2A]), der(4, [1, 2]), der(4, [3, 4]), der(2, serial))
        let next = nextUpdate.map { der(0xA0, der(0x18, Array($0.utf8))) } ?? []
        let single = der(0x30, certificate, status, der(0x18, Array(thisUpdate.utf8)), next)
        let data = der(0x30, der(0xA2, der(4, [9])), der(0x18, Array("20250101000000Z".utf8)), der(0x30, single))
        let basic = der(0x30, data, der(0x30, [6, 1, 0x2A]), der(3, [0, 1]))
        let type = der(6, [0x2B, 6, 1, 5, 5, 7, 0x30, 1, 1])
        return der(0x30, der(0x0A, [result]), der(0xA0, der(0x30, type, der(4, basic))))
    }

    /// 2025-01-01 00:00:00 UTC.
    private static let start: Int64 = 1_735_689_600

    private func info(serial: String) throws -> CertificateInfo {
        var info = try CertificateInfo(TLSCertificate.selfSigned(name: "a.test", isAddress: false).chain)
        info.serial = serial
        return info
    }

    @Test("the status and the times are read")
    func reading() throws {
        let response = try #require(OCSPResponse(der: Self.response()))
        #expect(response.serial == "1234")
        #expect(response.status == .good)
        #expect(response.thisUpdate == Self.start)
        #expect(response.nextUpdate == Self.start + 7 * 86_400)
        #expect(OCSPResponse(der: Self.response(nextUpdate: nil))?.nextUpdate == nil)
        #expect(OCSPResponse(der: Self.response(serial: [0, 0xFF]))?.serial == "ff")
    }

    @Test("a response for another certificate, out of date, early or not good cannot be sent", .needsTLS)
    func problems() throws {
        let response = try #require(OCSPResponse(der: Self.response()))
        let info = try info(serial: "1234")
        #expect(response.problem(for: info, at: Self.start + 60) == nil)
        #expect(response.problem(for: info, at: Self.start + 7 * 86_400) == "it is out of date")
        #expect(response.problem(for: info, at: Self.start - 3600) == "it is not valid yet")
        #expect(
            try response.problem(for: self.info(serial: "99"), at: Self.start)
                == "it is for another certificate, with the serial number 1234"
        )
        let time: [UInt8] = Self.der(0x18, Array("20250101000000Z".utf8))
        let revoked = try #require(OCSPResponse(der: Self.response(status: Self.der(0xA1, time))))
        #expect(revoked.problem(for: info, at: Self.start) == "it states that the certificate is revoked")
    }

    @Test("truncated, altered and foreign bytes are rejected or read, and never trap")
    func malformed() {
        let whole = Self.response()
        for count in whole.indices { #expect(OCSPResponse(der: Array(whole[..<count])) == nil) }
        for index in whole.indices {
            for bit in 0..<8 {
                var altered = whole
                altered[index] ^= 1 << bit
                _ = OCSPResponse(der: altered)
            }
        }
        #expect(OCSPResponse(der: Self.response(result: 1)) == nil)
        #expect(OCSPResponse(der: Self.response(thisUpdate: "2025010100000xZ")) == nil)
        #expect(OCSPResponse(der: [UInt8](repeating: 0x30, count: OCSPResponse.maxSize + 1)) == nil)
    }

    @Test("times are converted to seconds", arguments: [("19700101000000Z", 0), ("20000229235959Z", 951_868_799)])
    func times(text: String, seconds: Int64) {
        #expect(DERReader.seconds(Array(text.utf8)[...]) == seconds)
    }
}
