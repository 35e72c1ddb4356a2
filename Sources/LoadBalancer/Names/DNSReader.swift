import Sockets

/// Takes a message apart, from its beginning on. It never reads beyond the message, whatever the message says.
struct DNSReader {
    private let bytes: [UInt8]
    private var offset = 0

    /// Jumps within one name. A name has at most 127 labels, and no sender needs a jump that saves no label.
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

    /// The counts of the authority's and of the additional records, which are not read.
    mutating func skipCounts() {
        offset += 4
    }

    /// A name, which may end with a jump to an earlier place in the message (RFC 1035, 4.1.4).
    mutating func name() throws(DNSMessageError) -> DNSName {
        var labels: [ArraySlice<UInt8>] = []
        var length = 0
        var jumps = 0
        // Where reading goes on after the name, known once there was a jump.
        var end: Int?
        // Each jump leads to before the place where the last one led, so there is no way round in a circle.
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
                guard length < DNSName.longest else { throw .badName }
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

    /// The next record; nil if it is of a type or a class that is not ours.
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
        // A number with its highest bit set is none (RFC 2181, 8).
        return DNSRecord(name: name, timeToLive: time > UInt32(Int32.max) ? 0 : time, content: content)
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
