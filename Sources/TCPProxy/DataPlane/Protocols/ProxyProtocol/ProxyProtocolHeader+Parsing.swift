import Glibc
import Sockets

extension ProxyProtocolHeader {
    /// Result of parsing the first bytes of a connection.
    enum ParseResult: Hashable, Sendable {
        /// The bytes are the beginning of a header that needs at least `minimum` bytes in total. Input that is not a
        /// header may also be reported only then; malformed input may be reported earlier.
        case needMore(minimum: Int)
        /// The header is complete.
        case header(ProxyProtocolHeader)
        /// Not a header: if headers are optional, these are the client's own bytes.
        case notProxy
        /// Begins like a header but is not a valid one. The connection must be closed.
        case malformed(ParseError)
    }

    /// Cause of a malformed header.
    enum ParseError: Error, Hashable {
        /// No end of line within ``maxLineLength`` bytes.
        case longLine
        /// A carriage return or a line feed without the other.
        case lineEnd
        /// A word other than TCP4, TCP6 and UNKNOWN, or a number that is not in ``Family`` or is not a transport.
        case family
        /// An address that is not valid for its family.
        case address
        /// A port that is not a number from 0 to 65535, or has leading zeros.
        case port
        /// Data between the last port and the end of the line.
        case trailing
        /// A version other than 2 after the signature of version 2.
        case version
        /// A command other than LOCAL and PROXY.
        case command
        /// A header of this many bytes, more than the limit.
        case tooLong(Int)
        /// A header too short for the addresses of its family.
        case shortAddresses
        /// Type-length-values that do not end at the end of the header.
        case tlv
        /// The checksum does not match the header, or there are several checksums.
        case checksum
    }

    /// Parses the header at the beginning of a connection.
    ///
    /// Stateless: pass all bytes received so far, and call again when there are more.
    ///
    /// - Parameter limit: maximum length in bytes of a version 2 header, ``fixedLength`` to ``highestLimit``.
    static func read(_ bytes: UnsafeRawBufferPointer, limit: Int = defaultLimit) -> ParseResult {
        // The two versions begin with different bytes, so at most one of them matches.
        switch match(bytes, keyword) {
        case .whole: return readLine(bytes)
        case .soFar: return .needMore(minimum: bytes.count + 1)
        case .no: break
        }
        switch match(bytes, signature) {
        case .whole: return readBinary(bytes, limit: limit)
        case .soFar: return .needMore(minimum: bytes.count + 1)
        case .no: return .notProxy
        }
    }

    private enum Match {
        case whole, soFar, no
    }

    private static func match(_ bytes: UnsafeRawBufferPointer, _ beginning: [UInt8]) -> Match {
        guard zip(bytes, beginning).allSatisfy({ $0 == $1 }) else { return .no }
        return bytes.count < beginning.count ? .soFar : .whole
    }

    // MARK: Version 1

    private static let carriageReturn = UInt8(ascii: "\r")
    private static let lineFeed = UInt8(ascii: "\n")

    private static func readLine(_ bytes: UnsafeRawBufferPointer) -> ParseResult {
        let line = bytes.prefix(maxLineLength)
        guard let end = line.firstIndex(where: { $0 == carriageReturn || $0 == lineFeed }) else {
            guard bytes.count + 2 <= maxLineLength else { return .malformed(.longLine) }
            return .needMore(minimum: max(minLineLength, bytes.count + 2))
        }
        guard line[end] == carriageReturn else { return .malformed(.lineEnd) }
        guard end + 1 < maxLineLength else { return .malformed(.longLine) }
        guard end + 1 < bytes.count else { return .needMore(minimum: bytes.count + 1) }
        guard bytes[end + 1] == lineFeed else { return .malformed(.lineEnd) }

        var fields = Fields(rest: UnsafeRawBufferPointer(rebasing: bytes[keyword.count..<end]))
        do {
            return .header(ProxyProtocolHeader(version: .v1, length: end + 2, origin: try origin(&fields), tlvs: 0..<0))
        } catch {
            return .malformed(error)
        }
    }

    private static func origin(_ fields: inout Fields) throws(ParseError) -> Origin {
        let version: Int32
        switch fields.next() {
        // The rest of the line must be ignored, whatever it contains.
        case let word? where word.elementsEqual("UNKNOWN".utf8): return .unknown
        case let word? where word.elementsEqual("TCP4".utf8): version = AF_INET
        case let word? where word.elementsEqual("TCP6".utf8): version = AF_INET6
        default: throw .family
        }
        guard var source = address(fields.next(), family: version),
            var destination = address(fields.next(), family: version)
        else { throw .address }
        guard let sourcePort = port(fields.next()), let destinationPort = port(fields.next()) else { throw .port }
        guard fields.isAtEnd else { throw .trailing }
        source.port = sourcePort
        destination.port = destinationPort
        return .internet(source: source, destination: destination)
    }

    /// Splitter of a line at single spaces.
    private struct Fields {
        private var rest: UnsafeRawBufferPointer?

        init(rest: UnsafeRawBufferPointer) {
            self.rest = rest
        }

        var isAtEnd: Bool { rest == nil }

        /// Returns the field up to the next space, possibly empty; nil after the last field.
        mutating func next() -> UnsafeRawBufferPointer? {
            guard let line = rest else { return nil }
            guard let space = line.firstIndex(of: UInt8(ascii: " ")) else {
                rest = nil
                return line
            }
            rest = UnsafeRawBufferPointer(rebasing: line[(space + 1)...])
            return UnsafeRawBufferPointer(rebasing: line[..<space])
        }
    }

    private static func address(_ field: UnsafeRawBufferPointer?, family: Int32) -> InternetAddress? {
        // inet_pton(3) would stop at an embedded zero byte and parse a different text than was sent.
        guard let field, field.count < INET6_ADDRSTRLEN, !field.contains(0) else { return nil }
        return withUnsafeTemporaryAllocation(byteCount: Int(INET6_ADDRSTRLEN), alignment: 1) { text in
            text.copyMemory(from: field)
            text[field.count] = 0
            guard let text = text.baseAddress?.assumingMemoryBound(to: CChar.self) else { return nil }
            if family == AF_INET {
                var address: UInt32 = 0
                guard inet_pton(AF_INET, text, &address) == 1 else { return nil }
                return InternetAddress(v4: UInt32(bigEndian: address), port: 0)
            }
            var address: (UInt64, UInt64) = (0, 0)
            guard inet_pton(AF_INET6, text, &address) == 1 else { return nil }
            return withUnsafeBytes(of: address) { InternetAddress(networkBytes: $0, port: 0) }
        }
    }

    private static func port(_ field: UnsafeRawBufferPointer?) -> UInt16? {
        guard let field, (1...5).contains(field.count), field.count == 1 || field[0] != UInt8(ascii: "0") else {
            return nil
        }
        var number = 0
        for digit in field {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
            number = number * 10 + Int(digit - UInt8(ascii: "0"))
        }
        return UInt16(exactly: number)
    }

    // MARK: Version 2

    private static func readBinary(_ bytes: UnsafeRawBufferPointer, limit: Int) -> ParseResult {
        guard bytes.count >= fixedLength else { return .needMore(minimum: fixedLength) }
        guard bytes[12] >> 4 == 2 else { return .malformed(.version) }
        let command = bytes[12] & 0xF
        guard command <= 1 else { return .malformed(.command) }
        let isLocal = command == 0
        let transport = bytes[13] & 0xF
        var family = Family(rawValue: bytes[13] >> 4)
        if transport > 2 { family = nil }
        // A sender of LOCAL may use any family.
        guard isLocal || family != nil else { return .malformed(.family) }
        let length = fixedLength + Int(bytes[14]) << 8 + Int(bytes[15])
        guard length <= limit else { return .malformed(.tooLong(length)) }
        let tlvs = min(fixedLength + (family ?? .unspecified).addressLength, length)..<length
        guard isLocal || tlvs.lowerBound == fixedLength + (family ?? .unspecified).addressLength else {
            return .malformed(.shortAddresses)
        }
        guard bytes.count >= length else { return .needMore(minimum: length) }

        // The data after an unspecified family may be an unknown address instead of type-length-values.
        let isLenient = isLocal || family == .unspecified
        var hasTLVs = !isLocal
        switch TypeLengthValues.inspect(bytes, in: tlvs) {
        case .wellFormed(checksum: nil):
            break
        case .wellFormed(let place?):
            let header = UnsafeRawBufferPointer(rebasing: bytes[..<length])
            guard TypeLengthValues.checksum(of: header, at: place) == TypeLengthValues.number(header, at: place) else {
                return .malformed(.checksum)
            }
        case .severalChecksums:
            guard isLenient else { return .malformed(.checksum) }
            hasTLVs = false
        case .malformed:
            guard isLenient else { return .malformed(.tlv) }
            hasTLVs = false
        }
        return .header(
            ProxyProtocolHeader(
                version: .v2,
                length: length,
                origin: isLocal ? .local : transport == streamTransport ? origin(bytes, family) : .unknown,
                tlvs: hasTLVs ? tlvs : length..<length
            )
        )
    }

    private static func origin(_ bytes: UnsafeRawBufferPointer, _ family: Family?) -> Origin {
        switch family {
        case .ipv4:
            return .internet(
                source: InternetAddress(v4: number(bytes, at: 16), port: number(bytes, at: 24)),
                destination: InternetAddress(v4: number(bytes, at: 20), port: number(bytes, at: 26))
            )
        case .ipv6:
            return .internet(
                source: InternetAddress(
                    networkBytes: UnsafeRawBufferPointer(rebasing: bytes[16..<32]),
                    port: number(bytes, at: 48)
                ),
                destination: InternetAddress(
                    networkBytes: UnsafeRawBufferPointer(rebasing: bytes[32..<48]),
                    port: number(bytes, at: 50)
                )
            )
        case .unix:
            return .unix(paths: fixedLength..<(fixedLength + Family.unix.addressLength))
        case .unspecified, nil:
            return .unknown
        }
    }

    private static func number<Number: FixedWidthInteger>(_ bytes: UnsafeRawBufferPointer, at place: Int) -> Number {
        Number(bigEndian: bytes.loadUnaligned(fromByteOffset: place, as: Number.self))
    }
}

extension InternetAddress {
    /// - Parameter networkBytes: the 16 bytes of an IPv6 address in network byte order.
    fileprivate init(networkBytes: UnsafeRawBufferPointer, port: UInt16) {
        self.init(
            high: UInt64(bigEndian: networkBytes.loadUnaligned(as: UInt64.self)),
            low: UInt64(bigEndian: networkBytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
            port: port
        )
    }
}
