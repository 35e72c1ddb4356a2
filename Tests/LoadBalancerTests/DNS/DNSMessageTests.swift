import Randomness
import Sockets
import Testing

@testable import LoadBalancer

/// DNS messages, byte by byte.
@Suite("DNS message")
struct DNSMessageTests {
    @Test("a query contains one question")
    func query() throws {
        let question = DNSWireQuery(name: try #require(DNSName("Db.Example.")), type: .service)
        let expected: [UInt8] =
            [0xAB, 0xCD, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0] + [2] + Array("db".utf8) + [7] + Array("example".utf8)
            + [0, 0, 33, 0, 1]
        #expect(question.query(id: 0xABCD) == expected)
    }

    // MARK: Names

    @Test(
        "a name is parsed and formatted",
        arguments: ["a", "db.example", "_pg._tcp.db.example", String(repeating: "a", count: 63) + ".b"]
    )
    func names(text: String) throws {
        #expect(try #require(DNSName(text)).description == text)
        #expect(DNSName(text + ".") == DNSName(text.uppercased()))
    }

    @Test(
        "an invalid name is rejected",
        arguments: [
            "", ".", "..", "a..b", ".a", "a b", "a\0b", "ä", String(repeating: "a", count: 64),
            Array(repeating: "abcdefghijklmno", count: 16).joined(separator: "."),
        ]
    )
    func invalidNames(text: String) {
        #expect(DNSName(text) == nil)
    }

    @Test("a name of the maximum length is accepted")
    func longestName() {
        // 4 labels of 63, 63, 63 and 61 bytes, with their length bytes and the terminator: 255.
        let text = [63, 63, 63, 61].map { String(repeating: "a", count: $0) }.joined(separator: ".")
        #expect(DNSName(text)?.wire.count == 255)
        #expect(DNSName(text + "a") == nil)
    }

    @Test("special bytes of a name are formatted as numbers")
    func escaping() {
        #expect(DNSName(labels: [Array("a.b\\".utf8), [0, 7, 255]])?.description == "a\\046b\\092.\\000\\007\\255")
    }

    // MARK: Answers

    @Test("addresses of both families are parsed")
    func addresses() throws {
        let first = try answer(
            .ipv4,
            [record([0xC0, 12], 1, ttl: 60, [127, 0, 0, 1]), record([0xC0, 12], 1, ttl: 30, [127, 0, 0, 2])]
        )
        #expect(
            first.contents == [
                .address(InternetAddress(v4: 0x7F00_0001, port: 0)),
                .address(InternetAddress(v4: 0x7F00_0002, port: 0)),
            ]
        )
        #expect(first.timeToLive == 30)
        let second = try answer(.ipv6, [record([0xC0, 12], 28, ttl: 5, [UInt8](repeating: 0, count: 15) + [1])])
        #expect(second.contents == [.address(InternetAddress(high: 0, low: 1, port: 0))])
    }

    @Test("a service with a compressed target is parsed")
    func service() throws {
        let data: [UInt8] = [0, 1, 0, 2, 0x15, 0x38, 3] + Array("one".utf8) + [0xC0, 12]
        let target = try #require(DNSName("one.db.example"))
        let service = DNSService(priority: 1, weight: 2, port: 5432, target: target)
        #expect(try answer(.service, [record([0xC0, 12], 33, ttl: 9, data)]).contents == [.service(service)])
    }

    @Test("aliases are followed, and the shortest TTL counts")
    func aliases() throws {
        let one: [UInt8] = [3] + Array("one".utf8) + [0xC0, 12]
        let two: [UInt8] = [3] + Array("TWO".utf8) + [0xC0, 12]
        let found = try answer(
            .ipv4,
            [
                record(two, 1, ttl: 60, [127, 0, 0, 9]), record([0xC0, 12], 5, ttl: 7, one),
                record(one, 5, ttl: 60, two),
            ]
        )
        #expect(found.contents == [.address(InternetAddress(v4: 0x7F00_0009, port: 0))])
        #expect(found.timeToLive == 7)
    }

    @Test("a loop of aliases gives no records")
    func aliasLoop() throws {
        let one: [UInt8] = [3] + Array("one".utf8) + [0xC0, 12]
        let loop = [record([0xC0, 12], 5, ttl: 7, one), record(one, 5, ttl: 7, [0xC0, 12])]
        #expect(try parsed(message(.ipv4, loop), .ipv4).answer(to: question(.ipv4)) == .aliasLoop)
    }

    /// RFC 1034, 5.3.3: the name of the alias must be queried.
    @Test("an alias without records in the response is the answer, with its TTL")
    func openAlias() throws {
        let one: [UInt8] = [3] + Array("one".utf8) + [0xC0, 12]
        let response = try parsed(message(.ipv4, [record([0xC0, 12], 5, ttl: 7, one)]), .ipv4)
        let target = try #require(DNSName("one.db.example"))
        #expect(response.answer(to: question(.ipv4)) == .alias(target, timeToLive: 7))
    }

    /// RFC 2308, 5: the lower of the SOA record's TTL and its MINIMUM field; RFC 2181, 8 for the highest bit.
    @Test(
        "the SOA record of a negative response gives its TTL",
        arguments: [(300, 60, 60), (20, 60, 20), (0x8000_0000, 60, 0), (0, 5, 0)] as [(UInt32, UInt32, UInt32)],
        [UInt16(0x8180), 0x8183]
    )
    func negativeTimeToLive(times: (ttl: UInt32, minimum: UInt32, expected: UInt32), flags: UInt16) throws {
        let bytes = message(.ipv4, [], flags: flags, authority: [start(ttl: times.ttl, minimum: times.minimum)])
        let response = try parsed(bytes, .ipv4)
        #expect(response.answer(to: question(.ipv4)) == .none(timeToLive: times.expected))
    }

    @Test("an alias of a name without records has the lower of both TTLs")
    func negativeAlias() throws {
        let one: [UInt8] = [3] + Array("one".utf8) + [0xC0, 12]
        for (ttl, minimum, expected) in [(7, 60, 7), (60, 5, 5)] as [(UInt32, UInt32, UInt32)] {
            let bytes = message(
                .ipv4,
                [record([0xC0, 12], 5, ttl: ttl, one)],
                authority: [start(ttl: 60, minimum: minimum)]
            )
            #expect(try parsed(bytes, .ipv4).answer(to: question(.ipv4)) == .none(timeToLive: expected))
        }
    }

    /// RFC 2308, 2.2: NS records without an SOA record.
    @Test("a response that only names other name servers is a referral")
    func referral() throws {
        let server = record([0xC0, 12], 2, ttl: 60, [2] + Array("ns".utf8) + [0xC0, 12])
        let response = try parsed(message(.ipv4, [], authority: [server]), .ipv4)
        #expect(response.answer(to: question(.ipv4)) == .referral)
        let both = try parsed(message(.ipv4, [], authority: [server, start(ttl: 9, minimum: 9)]), .ipv4)
        #expect(both.answer(to: question(.ipv4)) == .none(timeToLive: 9))
    }

    @Test("a damaged authority section leaves a response usable")
    func damagedAuthority() throws {
        let good = record([0xC0, 12], 1, ttl: 7, [127, 0, 0, 1])
        let whole = message(.ipv4, [good], authority: [start(ttl: 9, minimum: 9)])
        for count in 1..<20 {
            #expect(try parsed(whole.dropLast(count), .ipv4).records.count == 1)
        }
    }

    @Test("the lowest TTL of unequal records counts")
    func unequalTimes() throws {
        let records = [
            record([0xC0, 12], 1, ttl: 9, [127, 0, 0, 1]), record([0xC0, 12], 1, ttl: 3, [127, 0, 0, 2]),
        ]
        #expect(try answer(.ipv4, records).timeToLive == 3)
    }

    @Test("records of other names, types and classes are ignored")
    func otherRecords() throws {
        let other: [UInt8] = [3] + Array("one".utf8) + [0]
        let text = record([0xC0, 12], 16, ttl: 7, [1, 0x61])
        let chaos = record([0xC0, 12], 1, class: 3, ttl: 7, [1, 2, 3])
        #expect(try answer(.ipv4, [record(other, 1, ttl: 7, [127, 0, 0, 9]), text, chaos]).contents.isEmpty)
    }

    @Test("a TTL with its highest bit set is zero")
    func negativeTTL() throws {
        #expect(try answer(.ipv4, [record([0xC0, 12], 1, ttl: 0x8000_0001, [127, 0, 0, 1])]).timeToLive == 0)
    }

    @Test(
        "the response code is parsed",
        arguments: [(UInt16(0x8183), DNSCode.noSuchName), (0x8182, .failure(2)), (0x8185, .failure(5))]
    )
    func responseCodes(flags: UInt16, code: DNSCode) throws {
        #expect(try parsed(message(.ipv4, [], flags: flags), .ipv4).code == code)
    }

    @Test("a format error is accepted without the question")
    func formatError() throws {
        let refusal: [UInt8] = [0x12, 0x34, 0x80, 0x01] + [UInt8](repeating: 0, count: 8)
        #expect(try parsed(refusal, .ipv4).code == .failure(1))
        #expect(throws: DNSMessageError.otherQuery) {
            try parsed([0x12, 0x34, 0x80, 0x00] + [UInt8](repeating: 0, count: 8), .ipv4)
        }
    }

    @Test("a truncated response has no records")
    func truncated() throws {
        let whole = message(.ipv4, [record([0xC0, 12], 1, ttl: 7, [127, 0, 0, 1])], flags: 0x8380)
        let response = try parsed(Array(whole.dropLast(9)), .ipv4)
        #expect(response.isTruncated && response.records.isEmpty)
    }

    @Test("a response to another query is rejected")
    func otherQuery() {
        let good = message(.ipv4, [])
        var otherID = good
        otherID[0] ^= 1
        var query = good
        query[2] &= 0x7F
        var update = good
        update[2] |= 0x28
        var otherName = good
        otherName[13] ^= 1
        for bytes in [otherID, query, update, otherName] {
            #expect(throws: DNSMessageError.otherQuery) { try parsed(bytes, .ipv4) }
        }
        #expect(throws: DNSMessageError.otherQuery) { try parsed(good, .ipv6) }
    }

    // MARK: Hostile

    @Test("forward and circular compression pointers are rejected")
    func badPointers() {
        // The first record's name is at offset 28, after the header and the question.
        for name in [[0xC0, 28], [0xC0, 30, 0xC0, 28], [1, 0x61, 0xC0, 28], [0xC0, 200], [0x40, 1], [0x80, 1]]
            as [[UInt8]]
        {
            #expect(throws: DNSMessageError.self) {
                try parsed(message(.ipv4, [record(name, 1, ttl: 7, [127, 0, 0, 1])]), .ipv4)
            }
        }
    }

    @Test("a long chain of compression pointers is rejected")
    func longChain() {
        // Each name but the first is a compression pointer to the previous one.
        let records = chain(of: 200)
        #expect(throws: DNSMessageError.badName) { try parsed(message(.ipv4, records), .ipv4) }
    }

    /// Returns records whose names each end with a compression pointer to the name of the previous record.
    private func chain(of count: Int, startingWith label: [UInt8] = []) -> [[UInt8]] {
        var records: [[UInt8]] = []
        var offset = 28
        var target = 12
        for _ in 0..<count {
            let name = label + [0xC0 | UInt8(target >> 8), UInt8(target & 0xFF)]
            records.append(record(name, 1, ttl: 7, [127, 0, 0, 1]))
            target = offset
            offset += records.last?.count ?? 0
        }
        return records
    }

    @Test("a name that exceeds the limit by compression pointers is rejected")
    func growingName() {
        // A label of 63 bytes and a pointer to the previous name, repeatedly: past 255 bytes.
        let records = chain(of: 8, startingWith: [63] + [UInt8](repeating: 0x61, count: 63))
        #expect(throws: DNSMessageError.badName) { try parsed(message(.ipv4, records), .ipv4) }
    }

    @Test("an address of the wrong length is rejected", arguments: [3, 5])
    func addressLength(count: Int) {
        let wrong = record([0xC0, 12], 1, ttl: 7, [UInt8](repeating: 1, count: count))
        #expect(throws: DNSMessageError.badRecord) { try parsed(message(.ipv4, [wrong]), .ipv4) }
    }

    @Test("a record count above the number of records is rejected")
    func recordCount() {
        var bytes = message(.ipv4, [record([0xC0, 12], 1, ttl: 7, [127, 0, 0, 1])])
        bytes[7] = 2
        #expect(throws: DNSMessageError.truncatedMessage) { try parsed(bytes, .ipv4) }
        bytes[6] = 0xFF
        #expect(throws: DNSMessageError.tooManyRecords) { try parsed(bytes, .ipv4) }
    }

    @Test("every proper prefix of a response is rejected")
    func prefixes() {
        let whole = message(
            .service,
            [record([0xC0, 12], 33, ttl: 9, [0, 1, 0, 2, 0x15, 0x38, 3] + Array("one".utf8) + [0xC0, 12])]
        )
        for count in 0..<whole.count {
            #expect(throws: DNSMessageError.self) { try parsed(Array(whole.prefix(count)), .service) }
        }
    }

    /// Random bytes after a valid prefix, and valid responses with a few bytes changed.
    @Test("random messages do not trap", arguments: 0..<100 as Range<UInt64>)
    func randomBytes(seed: UInt64) {
        var numbers = SplitMix64(seed: seed)
        let one: [UInt8] = [3] + Array("one".utf8) + [0xC0, 12]
        let good = message(
            .service,
            [
                record([0xC0, 12], 33, ttl: 9, [0, 1, 0, 2, 0x15, 0x38] + one), record([0xC0, 12], 5, ttl: 7, one),
                record(one, 28, ttl: 9, [UInt8](repeating: 7, count: 16)), record(one, 1, ttl: 9, [1, 2, 3, 4]),
            ]
        )
        for _ in 0..<100 {
            var changed = good
            for _ in 0..<Int.random(in: 1...4, using: &numbers) {
                // Past the ID and the flags, otherwise nothing would be parsed.
                changed[Int.random(in: 4..<changed.count, using: &numbers)] = UInt8.random(in: 0...255, using: &numbers)
            }
            let count = Int.random(in: 0...200, using: &numbers)
            let noise = (0..<count).map { _ in
                [0xC0, 12, 0, 1, 33, UInt8.random(in: 0...255, using: &numbers)].randomElement(using: &numbers) ?? 0
            }
            for bytes in [changed, message(.service, []).replacing(count: 30) + noise] {
                if let response = try? parsed(bytes, .service) { _ = response.answer(to: question(.service)) }
            }
        }
    }
}

// MARK: - Building messages

private func question(_ type: DNSType) -> DNSWireQuery {
    DNSWireQuery(name: DNSName("db.example") ?? .root, type: type)
}

/// Returns a response with the ID 0x1234 to a question for db.example, whose name is at offset 12.
private func message(
    _ type: DNSType,
    _ records: [[UInt8]],
    flags: UInt16 = 0x8180,
    authority: [[UInt8]] = []
) -> [UInt8] {
    var bytes = question(type).query(id: 0x1234)
    (bytes[2], bytes[3]) = (UInt8(flags >> 8), UInt8(flags & 0xFF))
    (bytes[6], bytes[7]) = (UInt8(records.count >> 8), UInt8(records.count & 0xFF))
    bytes[9] = UInt8(authority.count)
    return bytes + records.joined() + authority.joined()
}

/// Returns an SOA record.
private func start(ttl: UInt32, minimum: UInt32) -> [UInt8] {
    let numbers = [1, 2, 3, 4, minimum].flatMap { number in
        (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * $0)) }
    }
    return record([0xC0, 12], 6, ttl: ttl, [0xC0, 12, 0xC0, 12] + numbers)
}

private func record(
    _ name: [UInt8],
    _ type: UInt16,
    class: UInt16 = 1,
    ttl: UInt32,
    _ data: [UInt8]
) -> [UInt8] {
    let time = (0..<4).map { UInt8(truncatingIfNeeded: ttl >> (24 - 8 * $0)) }
    return name + [0, UInt8(type), 0, UInt8(`class`)] + time + [0, UInt8(data.count)] + data
}

private func parsed(_ bytes: some Sequence<UInt8>, _ type: DNSType) throws(DNSMessageError) -> DNSResponse {
    try DNSResponse(parsing: Array(bytes), to: question(type), id: 0x1234)
}

private func answer(
    _ type: DNSType,
    _ records: [[UInt8]]
) throws(DNSMessageError) -> (contents: [DNSRecord.Content], timeToLive: UInt32?) {
    switch try parsed(message(type, records), type).answer(to: question(type)) {
    case .records(let contents, let time): (contents, time)
    case .none(let time): ([], time)
    case .alias, .aliasLoop, .referral: ([], nil)
    }
}

extension [UInt8] {
    /// Returns the same response with a record count of `count` in the header.
    fileprivate func replacing(count: UInt8) -> [UInt8] {
        var bytes = self
        bytes[7] = count
        return bytes
    }
}
