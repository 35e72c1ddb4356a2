import Sockets

/// Type of a DNS record (RFC 1035, 3.2.2; RFC 3596; RFC 2782).
enum DNSType: UInt16, Hashable, Sendable {
    case ipv4 = 1
    case alias = 5
    case ipv6 = 28
    case service = 33
}

struct DNSWireQuery: Hashable, Sendable {
    let name: DNSName
    let type: DNSType

    /// Returns a query with this one question and recursion desired (RFC 1035, 4.1).
    func query(id: UInt16) -> [UInt8] {
        let recursionDesired: UInt8 = 0x01
        let counts: [UInt8] = [0, 1, 0, 0, 0, 0, 0, 0]
        return [UInt8(id >> 8), UInt8(id & 0xFF), recursionDesired, 0] + counts + name.wire
            + [0, UInt8(type.rawValue), 0, UInt8(DNSResponse.internetClass)]
    }
}

/// Data of an SRV record: one server (RFC 2782).
struct DNSService: Hashable, Sendable {
    /// Servers with the lowest value are used first, the others only if none of those can be reached.
    let priority: UInt16
    /// Share among servers of one priority; 0 is almost nothing if others have more.
    let weight: UInt16
    let port: UInt16
    let target: DNSName
}

struct DNSRecord: Hashable, Sendable {
    enum Content: Hashable, Sendable {
        /// Has no port.
        case address(InternetAddress)
        case alias(DNSName)
        case service(DNSService)
    }

    let name: DNSName
    /// TTL in seconds.
    let timeToLive: UInt32
    let content: Content
}

/// Why a message is not a usable response.
enum DNSMessageError: Error, Hashable, Sendable {
    /// A response to another query, or a forged one.
    case otherQuery
    case truncatedMessage
    case badName
    case badRecord
    case tooManyRecords
}

/// Response code (RFC 1035, 4.1.1).
enum DNSCode: Hashable, Sendable {
    case success
    case noSuchName
    /// Failure of the server, by its RCODE: 1 FORMERR, 2 SERVFAIL, 4 NOTIMP, 5 REFUSED and others.
    case failure(UInt8)
}

/// Response to one question. Parsing is bounded: memory by the length of the message, time also by a limit on the
/// compression pointers in each name.
struct DNSResponse: Hashable, Sendable {
    let code: DNSCode
    /// Whether the response did not fit the datagram and must be requested by TCP. Then `records` is empty.
    let isTruncated: Bool
    /// Records of the answer section with a known type and class.
    let records: [DNSRecord]
    /// Time in seconds for which a negative answer may be cached; nil if the response has no SOA record.
    private(set) var negativeTimeToLive: UInt32?
    /// Whether the authority section names name servers and has no SOA record.
    private(set) var isReferral = false

    /// Maximum number of records in an answer section.
    static let recordLimit = 1_024
    static let internetClass: UInt16 = 1

    /// Parses a response.
    ///
    /// - Parameters:
    ///   - bytes: a complete message, at most 65,535 bytes.
    ///   - id: ID of the query.
    init(parsing bytes: [UInt8], to question: DNSWireQuery, id: UInt16) throws(DNSMessageError) {
        var reader = DNSReader(bytes)
        guard try reader.number16() == id else { throw .otherQuery }
        let flags = try reader.number16()
        let questionCount = try reader.number16()
        let answerCount = try reader.number16()
        let authorityCount = try reader.number16()
        reader.skipAdditionalCount()
        let (isAnswer, operation) = (flags >> 15 == 1, flags >> 11 & 0xF)
        guard isAnswer, operation == 0 else { throw .otherQuery }
        switch flags & 0xF {
        case 0: code = .success
        case 3: code = .noSuchName
        case let number: code = .failure(UInt8(number))
        }
        // Only an error response may omit the question: the server may not have been able to parse the query.
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
        readAuthority(&reader, count: Int(authorityCount))
    }

    /// Reads the authority section. It only adds a TTL to negative answers, so the response is usable without it.
    private mutating func readAuthority(_ reader: inout DNSReader, count: Int) {
        var hasNameServer = false
        for _ in 0..<min(count, Self.recordLimit) {
            do throws(DNSMessageError) {
                switch try reader.authority() {
                case .start(let time): negativeTimeToLive = negativeTimeToLive ?? time
                case .nameServer: hasNameServer = true
                case nil: break
                }
            } catch {
                break
            }
        }
        isReferral = hasNameServer && negativeTimeToLive == nil
    }
}

extension DNSResponse {
    /// The answer to a question, with TTLs in seconds.
    enum Answer: Hashable, Sendable {
        /// At least one record, with the lowest TTL of these and of the aliases that lead to them.
        case records([DNSRecord.Content], timeToLive: UInt32)
        /// The name has no records of the type, or does not exist; with the time for which this may be cached, if the
        /// response states one (RFC 2308, 5).
        case none(timeToLive: UInt32?)
        /// The name is an alias of a name about which the response says nothing.
        case alias(DNSName, timeToLive: UInt32)
        /// The aliases form a loop, or a chain longer than ``aliasLimit``.
        case aliasLoop
        /// The response only names other name servers (RFC 2308, 2.2).
        case referral
    }

    /// Returns the records that answer a question, following aliases (RFC 1034, 3.6.2) in whatever order the response
    /// has them.
    func answer(to question: DNSWireQuery) -> Answer {
        var name = question.name
        var timeToLive: UInt32?
        for _ in 0..<Self.aliasLimit {
            let found = records.filter { $0.name == name && $0.content.isOf(question.type) }
            guard found.isEmpty else {
                // The TTLs of one set of records should be equal; if not, the lowest counts (RFC 2181, 5.2).
                let lowest = found.reduce(timeToLive ?? .max) { min($0, $1.timeToLive) }
                return .records(found.map(\.content), timeToLive: lowest)
            }
            guard let alias = records.first(where: { $0.name == name && $0.content.isOf(.alias) }),
                case .alias(let target) = alias.content
            else { return end(of: question, at: name, timeToLive) }
            timeToLive = min(timeToLive ?? .max, alias.timeToLive)
            name = target
        }
        return .aliasLoop
    }

    /// Returns the answer if the name that the aliases lead to has no records in the response.
    private func end(of question: DNSWireQuery, at name: DNSName, _ timeToLive: UInt32?) -> Answer {
        if code == .noSuchName || negativeTimeToLive != nil {
            // The existence of the aliases is cached no longer than they are.
            let times = [timeToLive, negativeTimeToLive].compactMap { $0 }
            return .none(timeToLive: negativeTimeToLive == nil ? timeToLive : times.min())
        }
        if let timeToLive, name != question.name { return .alias(name, timeToLive: timeToLive) }
        return isReferral ? .referral : .none(timeToLive: nil)
    }

    /// Maximum length of a chain of aliases. Longer chains and loops give no answer.
    static let aliasLimit = 16
}

/// Record of the authority section.
enum DNSAuthority: Hashable, Sendable {
    /// SOA, with the time in seconds for which a negative answer may be cached (RFC 2308, 5).
    case start(negativeTimeToLive: UInt32)
    case nameServer
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
