import Sockets

/// What a name server is asked about a name (RFC 1035, 3.2.2; RFC 3596; RFC 2782).
enum DNSType: UInt16, Hashable, Sendable {
    case ipv4 = 1
    case alias = 5
    case ipv6 = 28
    case service = 33
}

struct DNSQuestion: Hashable, Sendable {
    let name: DNSName
    let type: DNSType

    /// A query of this one question, which asks the server to find the answer itself (RFC 1035, 4.1).
    func query(id: UInt16) -> [UInt8] {
        let recursionDesired: UInt8 = 0x01
        let counts: [UInt8] = [0, 1, 0, 0, 0, 0, 0, 0]
        return [UInt8(id >> 8), UInt8(id & 0xFF), recursionDesired, 0] + counts + name.wire
            + [0, UInt8(type.rawValue), 0, UInt8(DNSResponse.internetClass)]
    }
}

/// What a service record says of one server: RFC 2782.
struct DNSService: Hashable, Sendable {
    /// Servers of the lowest number come first, the others only when none of those can be reached.
    let priority: UInt16
    /// The share among servers of one priority; 0 is almost nothing where others have more.
    let weight: UInt16
    let port: UInt16
    let target: DNSName
}

struct DNSRecord: Hashable, Sendable {
    enum Content: Hashable, Sendable {
        /// Without a port.
        case address(InternetAddress)
        case alias(DNSName)
        case service(DNSService)
    }

    let name: DNSName
    /// In seconds.
    let timeToLive: UInt32
    let content: Content
}

/// Why bytes are no answer that can be used.
enum DNSMessageError: Error, Hashable, Sendable {
    /// They answer something else: another query, or somebody's guess.
    case otherQuery
    case truncatedMessage
    case badName
    case badRecord
    case tooManyRecords
}

/// How the server judges a query (RFC 1035, 4.1.1).
enum DNSCode: Hashable, Sendable {
    case success
    case noSuchName
    /// The server's own trouble, by its number: 1 FORMERR, 2 SERVFAIL, 4 NOTIMP, 5 REFUSED and others.
    case failure(UInt8)
}

/// A name server's answer to one question. Parsing is bounded: in memory by the message's length, in time by that and by
/// a limit of jumps in each name.
struct DNSResponse: Hashable, Sendable {
    let code: DNSCode
    /// The whole did not fit the datagram: to be asked again by TCP. Then there are no records here.
    let isTruncated: Bool
    /// Those of its answer section that have a type and a class we know.
    let records: [DNSRecord]

    /// More records than this nobody can use.
    static let recordLimit = 1_024
    static let internetClass: UInt16 = 1

    /// - Parameters:
    ///   - bytes: a whole message, at most 65,535 bytes.
    ///   - id: of the query.
    init(parsing bytes: [UInt8], to question: DNSQuestion, id: UInt16) throws(DNSMessageError) {
        var reader = DNSReader(bytes)
        guard try reader.number16() == id else { throw .otherQuery }
        let flags = try reader.number16()
        let questionCount = try reader.number16()
        let answerCount = try reader.number16()
        reader.skipCounts()
        let (isAnswer, operation) = (flags >> 15 == 1, flags >> 11 & 0xF)
        guard isAnswer, operation == 0 else { throw .otherQuery }
        switch flags & 0xF {
        case 0: code = .success
        case 3: code = .noSuchName
        case let number: code = .failure(UInt8(number))
        }
        // A server that did not understand the query may leave it out, and no other.
        if questionCount == 0, case .failure = code {
            isTruncated = false
            records = []
            return
        }
        guard questionCount == 1, try reader.name() == question.name, try reader.number16() == question.type.rawValue,
            try reader.number16() == Self.internetClass
        else { throw .otherQuery }
        isTruncated = flags & 0x0200 != 0
        guard !isTruncated else {
            records = []
            return
        }
        guard answerCount <= Self.recordLimit else { throw .tooManyRecords }
        var records: [DNSRecord] = []
        for _ in 0..<answerCount {
            if let record = try reader.record() { records.append(record) }
        }
        self.records = records
    }
}

extension DNSResponse {
    /// The records that answer a question: of its name, or of the one that its name is an alias of (RFC 1034, 3.6.2),
    /// and for how many seconds they hold, nil if there are none.
    func answer(to question: DNSQuestion) -> (contents: [DNSRecord.Content], timeToLive: UInt32?) {
        var name = question.name
        var timeToLive: UInt32?
        for _ in 0..<Self.aliasLimit {
            let found = records.filter { $0.name == name && $0.content.isOf(question.type) }
            guard found.isEmpty else {
                for record in found { timeToLive = min(timeToLive ?? .max, record.timeToLive) }
                return (found.map(\.content), timeToLive)
            }
            guard let alias = records.first(where: { $0.name == name && $0.content.isOf(.alias) }),
                case .alias(let target) = alias.content
            else { break }
            timeToLive = min(timeToLive ?? .max, alias.timeToLive)
            name = target
        }
        return ([], nil)
    }

    /// Longer chains of aliases, and circles, give no answer.
    static let aliasLimit = 16
}

extension DNSRecord.Content {
    func isOf(_ type: DNSType) -> Bool {
        switch self {
        case .address(let address): type == (address.isIPv4 ? .ipv4 : .ipv6)
        case .alias: type == .alias
        case .service: type == .service
        }
    }
}
