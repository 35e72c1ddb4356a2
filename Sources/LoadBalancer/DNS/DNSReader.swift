import Sockets

/// Sequential parser of a DNS message. It never reads past the end of the message, whatever lengths the message states.
struct DNSReader {
    private let bytes: [UInt8]
    private var offset = 0

    /// Maximum number of compression pointers in one name. A name has at most 127 labels, and a pointer that saves no
    /// label serves no purpose.
    private static let jumpLimit = 127

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    mutating func number8() throws(DNSMessageError) -> UInt8 {
        guard offset < bytes.count else { throw .truncatedMessage }
        defer { offset += 1 }
        return bytes[offset]
    }

    mutating func number16() throws(DNSMessageError) -> UInt16 {
        let high = try number8()
        return UInt16(high) << 8 | UInt16(try number8())
    }

    mutating func number32() throws(DNSMessageError) -> UInt32 {
        let high = try number16()
        return UInt32(high) << 16 | UInt32(try number16())
    }

    /// Skips the count of the additional section, which is not read.
    mutating func skipAdditionalCount() {
        offset += 2
    }

    /// Reads the next record of the authority section; returns nil if it is neither an SOA nor an NS record.
    mutating func authority() throws(DNSMessageError) -> DNSAuthority? {
        _ = try name()
        let type = try number16()
        let isInternet = try number16() == DNSResponse.internetClass
        let time = Self.seconds(try number32())
        let length = Int(try number16())
        let end = offset + length
        guard end <= bytes.count else { throw .truncatedMessage }
        defer { offset = end }
        guard isInternet else { return nil }
        switch type {
        case 2:
            return .nameServer
        case 6:
            _ = try name()
            _ = try name()
            // SERIAL, REFRESH, RETRY and EXPIRE precede MINIMUM (RFC 1035, 3.3.13).
            for _ in 0..<4 { _ = try number32() }
            let minimum = Self.seconds(try number32())
            guard offset <= end else { throw .badRecord }
            return .start(negativeTimeToLive: min(time, minimum))
        default:
            return nil
        }
    }

    /// A TTL with its highest bit set counts as 0 (RFC 2181, 8).
    private static func seconds(_ time: UInt32) -> UInt32 { time > UInt32(Int32.max) ? 0 : time }

    /// Reads a name, which may end with a compression pointer to an earlier offset (RFC 1035, 4.1.4).
    mutating func name() throws(DNSMessageError) -> DNSName {
        var labels: [ArraySlice<UInt8>] = []
        var length = 0
        var jumps = 0
        // Offset after the name, set at the first pointer.
        var end: Int?
        // Each pointer must refer to an offset before the target of the previous one, so loops are impossible.
        var earliest = offset
        while true {
            let start = offset
            let head = try number8()
            switch head >> 6 {
            case 0 where head == 0:
                if let end { offset = end }
                guard let name = DNSName(labels: labels) else { throw .badName }
                return name
            case 0:
                guard offset + Int(head) <= bytes.count else { throw .truncatedMessage }
                length += 1 + Int(head)
                guard length < DNSName.maxLength else { throw .badName }
                labels.append(bytes[offset..<(offset + Int(head))])
                offset += Int(head)
            case 3:
                let target = Int(head & 0x3F) << 8 | Int(try number8())
                jumps += 1
                guard target < min(start, earliest), jumps <= Self.jumpLimit else { throw .badName }
                if end == nil { end = offset }
                earliest = target
                offset = target
            default:
                throw .badName
            }
        }
    }

    /// Reads the next record; returns nil if its type or class is not supported.
    mutating func record() throws(DNSMessageError) -> DNSRecord? {
        let name = try name()
        let type = try number16()
        let isInternet = try number16() == DNSResponse.internetClass
        let time = try number32()
        let length = Int(try number16())
        let end = offset + length
        guard end <= bytes.count else { throw .truncatedMessage }
        guard isInternet, let type = DNSType(rawValue: type) else {
            offset = end
            return nil
        }
        let content = try content(of: type, length: length)
        guard offset == end else { throw .badRecord }
        return DNSRecord(name: name, timeToLive: Self.seconds(time), content: content)
    }

    private mutating func content(of type: DNSType, length: Int) throws(DNSMessageError) -> DNSRecord.Content {
        switch type {
        case .ipv4:
            guard length == 4 else { throw .badRecord }
            return .address(InternetAddress(v4: try number32(), port: 0))
        case .ipv6:
            guard length == 16 else { throw .badRecord }
            let high = UInt64(try number32()) << 32 | UInt64(try number32())
            let low = UInt64(try number32()) << 32 | UInt64(try number32())
            return .address(InternetAddress(high: high, low: low, port: 0))
        case .alias:
            return .alias(try self.name())
        case .service:
            let (priority, weight, port) = (try number16(), try number16(), try number16())
            return .service(DNSService(priority: priority, weight: weight, port: port, target: try self.name()))
        }
    }
}
