import Testing

@testable import TCPProxy

/// Expects that each incomplete prefix of a PROXY protocol header waits for more bytes, but not for too many.
func expectIncompletePrefixes(of bytes: [UInt8], at location: SourceLocation = #_sourceLocation) {
    for count in bytes.indices {
        guard case .needMore(let minimum) = ProxyProtocolHeader.read(Array(bytes[..<count])) else {
            Issue.record(
                "result for \(count) bytes: \(ProxyProtocolHeader.read(Array(bytes[..<count])))",
                sourceLocation: location
            )
            continue
        }
        #expect(minimum > count && minimum <= bytes.count, "prefix of \(count) bytes", sourceLocation: location)
    }
}

/// Parses hexadecimal digits; all other characters are ignored.
func bytes(hex: String) -> [UInt8] {
    let digits = hex.compactMap(\.hexDigitValue)
    return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}

extension ProxyProtocolHeader {
    static func read(_ bytes: [UInt8], limit: Int = ProxyProtocolHeader.defaultLimit) -> ParseResult {
        bytes.withUnsafeBytes { read($0, limit: limit) }
    }

    static func read(_ text: String) -> ParseResult {
        read(Array(text.utf8))
    }

    /// Writes into a buffer of exactly the needed size and returns the bytes.
    static func write(
        _ version: Version,
        _ outboundAddresses: OutboundAddresses,
        tlvs: [UInt8] = [],
        checksum: Bool = false
    ) throws(WriteFault) -> [UInt8] {
        var buffer = [UInt8](repeating: 0xAA, count: room(version, tlvs: tlvs.count))
        var written: Result<Int, WriteFault> = .failure(.tlvs)
        buffer.withUnsafeMutableBytes { buffer in
            tlvs.withUnsafeBytes { tlvs in
                do throws(WriteFault) {
                    written = .success(
                        try write(version, outboundAddresses, tlvs: tlvs, checksum: checksum, into: buffer)
                    )
                } catch {
                    written = .failure(error)
                }
            }
        }
        return Array(buffer.prefix(try written.get()))
    }
}
