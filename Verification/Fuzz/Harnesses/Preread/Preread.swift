import Fuzzing
import Sockets

@testable import TCPProxy

@main
struct Preread {
    static func main() {
        Harness.main([
            Harness("proxy-headers", run: proxyHeaders),
            Harness("client-hellos", run: clientHellos),
            Harness("postgres-requests", run: postgresRequests),
        ])
    }

    /// Checks that the results of parsing the prefixes of a connection are consistent, and that a parsed header is
    /// written as it was read.
    @Sendable
    static func proxyHeaders(_ bytes: [UInt8]) {
        let result = read(bytes)
        checkPrefixes(of: bytes, result, stage: stage, read: read)
        guard case .header(let header) = result else { return }
        precondition(header.length <= bytes.count && header.tlvs.upperBound <= header.length, "outside the header")
        precondition(read(Array(bytes[..<header.length])) == result, "depends on the bytes after the header")

        let tlvs = Array(bytes[header.tlvs])
        for version in [ProxyProtocolHeader.Version.v1, .v2] {
            for checksum in [false, true] {
                let written = write(version, header, bytes, tlvs, checksum: checksum)
                guard case .header(let again) = read(written) else { fatalError("a written header cannot be parsed") }
                precondition(again.length == written.count, "the length changed when parsed again")
                guard version == .v2 else { continue }
                precondition(isSame(header.origin, again.origin), "the origin changed when parsed again")
                let added = checksum && !hasChecksum(bytes, header.tlvs) ? 7 : 0
                precondition(
                    header.origin == .local || again.tlvs.count == tlvs.count + added,
                    "the type-length-values changed when parsed again"
                )
            }
        }
    }

    private static func stage(_ result: ProxyProtocolHeader.ParseResult) -> Stage {
        switch result {
        case .needMore(let minimum): .waits(minimum: minimum)
        case .header, .notProxy: .finished
        case .malformed: .rejected
        }
    }

    private static func read(_ bytes: [UInt8]) -> ProxyProtocolHeader.ParseResult {
        bytes.withUnsafeBytes { ProxyProtocolHeader.read($0, limit: ProxyProtocolHeader.highestLimit) }
    }

    private static func write(
        _ version: ProxyProtocolHeader.Version,
        _ header: ProxyProtocolHeader,
        _ bytes: [UInt8],
        _ tlvs: [UInt8],
        checksum: Bool
    ) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: ProxyProtocolHeader.room(version, tlvs: tlvs.count))
        let count = buffer.withUnsafeMutableBytes { buffer in
            tlvs.withUnsafeBytes { tlvs in
                bytes.withUnsafeBytes { bytes in
                    let outboundAddresses: ProxyProtocolHeader.OutboundAddresses =
                        switch header.origin {
                        case .local: .local
                        case .unknown: .unknown
                        case .internet(let source, let destination):
                            .addresses(source: .internet(source), destination: .internet(destination))
                        case .unix(let paths): .unixPaths(UnsafeRawBufferPointer(rebasing: bytes[paths]))
                        }
                    do {
                        return try ProxyProtocolHeader.write(
                            version,
                            outboundAddresses,
                            tlvs: tlvs,
                            checksum: checksum,
                            into: buffer
                        )
                    } catch {
                        fatalError("a parsed header cannot be written: \(error)")
                    }
                }
            }
        }
        return Array(buffer[..<count])
    }

    private static func isSame(_ origin: ProxyProtocolHeader.Origin, _ other: ProxyProtocolHeader.Origin) -> Bool {
        switch (origin, other) {
        case (.unix, .unix): true
        default: origin == other
        }
    }

    private static func hasChecksum(_ bytes: [UInt8], _ range: Range<Int>) -> Bool {
        bytes.withUnsafeBytes { TypeLengthValues.inspect($0, in: range) } != .wellFormed(checksum: nil)
    }

    // MARK: ClientHello

    /// A ClientHello as parsed, with its host name and its protocols.
    private enum Outcome: Equatable {
        case needMore(minimum: Int)
        case hello(serverName: [UInt8]?, protocols: [[UInt8]])
        case other(ClientHello.ParseResult)
    }

    /// Checks that the results of parsing the prefixes of a connection are consistent, and do not depend on the
    /// boundaries of TLS records.
    @Sendable
    static func clientHellos(_ bytes: [UInt8]) {
        let outcome = readHello(bytes)
        checkPrefixes(of: bytes, outcome, stage: stage, read: readHello)
        guard case .hello(let name, let protocols) = outcome else { return }
        if let name {
            precondition(SNIHostName.isWellFormed(name), "a malformed host name")
            precondition(!SNIHostName.isAddress(name), "an address as a host name")
            let pattern = try? SNIPattern(parsing: String(decoding: name, as: UTF8.self))
            guard let pattern, let table = try? SNIRoutingTable([(pattern, 1)], otherwise: 0) else {
                fatalError("a host name that no table accepts")
            }
            precondition(name.withUnsafeBytes { table.value(for: $0) } == 1, "a host name that is not found")
        }
        precondition(protocols.allSatisfy { !$0.isEmpty }, "an empty protocol name")

        // The same ClientHello in two records instead of one.
        let length = Int(bytes[3]) << 8 + Int(bytes[4])
        guard length > 1, bytes.count >= 5 + length else { return }
        let boundary = 1 + Int(bytes[bytes.count - 1]) % (length - 1)
        let message = bytes[5..<(5 + length)]
        var split: [UInt8] = []
        for part in [message.prefix(boundary), message.dropFirst(boundary)] {
            split += bytes[..<3] + [UInt8(part.count >> 8), UInt8(truncatingIfNeeded: part.count)] + part
        }
        split += bytes[(5 + length)...]
        guard split.count <= limit else { return }
        switch readHello(split) {
        case outcome, .other(.malformed(.tooManyRecords)): break
        default: fatalError("the ClientHello changed when split at \(boundary)")
        }
    }

    private static let limit = 4096 + 5

    private static func stage(_ outcome: Outcome) -> Stage {
        switch outcome {
        case .needMore(let minimum): .waits(minimum: minimum)
        // A ClientHello that cannot end within the limit may be found malformed before it reaches the limit.
        case .other(.malformed), .other(.tooLong): .rejected
        case .hello, .other: .finished
        }
    }

    private static func readHello(_ bytes: [UInt8]) -> Outcome {
        var scratch = [UInt8](repeating: 0, count: limit)
        let result = bytes.withUnsafeBytes { bytes in
            scratch.withUnsafeMutableBytes { ClientHello.read(bytes, limit: limit, scratch: $0) }
        }
        switch result {
        case .needMore(let minimum): return .needMore(minimum: minimum)
        case .hello(let hello):
            let protocols = scratch.withUnsafeBytes { Array(hello.protocols(in: $0)) }
            return .hello(
                serverName: hello.serverName.map { Array(scratch[$0]) },
                protocols: protocols.map { Array(scratch[$0]) }
            )
        case .notTLS, .malformed, .tooLong: return .other(result)
        }
    }

    // MARK: PostgreSQL

    /// Checks that the results of parsing the prefixes of a connection are consistent, that a request has the length and
    /// the code of its kind, and that it is never taken for TLS.
    @Sendable
    static func postgresRequests(_ bytes: [UInt8]) {
        let result = readRequest(bytes)
        checkPrefixes(of: bytes, result, stage: stage, read: readRequest)
        precondition((result == .tlsRecord) == (bytes.first == 22), "a TLS record is one by its first byte alone")
        guard case .request(let request) = result else { return }
        let start = Array(bytes[..<PostgresRequest.length])
        precondition(readRequest(start) == result, "depends on the bytes after the request")
        guard case .other(.notTLS) = readHello(bytes) else { fatalError("a request that may be a ClientHello") }

        let number = start.reduce(0) { $0 << 8 | UInt64($1) }
        let (length, code) = (Int(number >> 32), UInt32(truncatingIfNeeded: number))
        let isExpected =
            switch request {
            case .tls: number == PostgresRequest.tlsRequest
            case .gssapi: number == PostgresRequest.tlsRequest + 1
            case .cancel: code == 80_877_102 && PostgresRequest.cancelLengths.contains(length)
            case .startup(let announced): announced == length && 8...10_000 ~= length && 2...3 ~= code >> 16
            }
        precondition(isExpected, "a request with the length or the code of another one")
    }

    private static func stage(_ result: PostgresRequest.ParseResult) -> Stage {
        switch result {
        case .needMore(let minimum): .waits(minimum: minimum)
        case .request, .tlsRecord: .finished
        case .malformed: .rejected
        }
    }

    private static func readRequest(_ bytes: [UInt8]) -> PostgresRequest.ParseResult {
        bytes.withUnsafeBytes { PostgresRequest.read($0) }
    }

    // MARK: Prefixes

    /// Maximum length at which all prefixes are checked; for longer inputs, only the prefixes up to this length.
    private static let maxPrefix = 300

    private enum Stage: Equatable {
        case waits(minimum: Int)
        case finished
        case rejected
    }

    /// Checks that a parser that waits returns the minimum number of bytes that it needs and has no result before that
    /// many have arrived, and that a result does not change when more bytes follow.
    private static func checkPrefixes<ParseResult: Equatable>(
        of bytes: [UInt8],
        _ last: ParseResult,
        stage: (ParseResult) -> Stage,
        read: ([UInt8]) -> ParseResult
    ) {
        var minimum = 0
        for count in 0...bytes.count where count <= maxPrefix || count == bytes.count {
            let result = count == bytes.count ? last : read(Array(bytes[..<count]))
            switch stage(result) {
            case .waits(let needed):
                precondition(needed > count, "waits for bytes that have arrived")
                minimum = max(minimum, needed)
            case .finished:
                precondition(count >= minimum, "a result before the minimum has arrived")
                precondition(result == last, "the result changed when more bytes arrived")
                return
            case .rejected:
                precondition(stage(last) == .rejected, "no longer rejected when more bytes arrived")
                return
            }
        }
    }
}
