import Glibc
import Sockets

/// DNS client: queries by UDP with retries, and by TCP if a response does not fit a datagram (RFC 7766).
struct DNSClient: Hashable, Sendable {
    /// Name servers in the order in which they are queried, at least one.
    var servers: [SocketAddress]
    /// Timeout for each attempt, by UDP or TCP.
    var timeout = Duration.seconds(2)
    /// Number of passes through the list of servers.
    var rounds = 2

    /// Maximum size of a TCP response: a 16-bit length and the message.
    private static let maxMessageLength = 2 + Int(UInt16.max)

    struct Answer: Hashable, Sendable {
        /// Empty if the name exists but has no records of the type.
        var contents: [DNSRecord.Content]
        /// TTL of the records, or of their absence; nil if unknown.
        var timeToLive: Duration?
    }

    /// Maximum number of queries for one question: an answer may be an alias that must be queried for.
    private static let aliasQueryLimit = 8

    /// Sends a query to the servers in order until one answers, and queries for the target of an alias if the answer
    /// does not contain it (RFC 1034, 5.3.3).
    ///
    /// - Throws: ``DNSFailure/noSuchName(timeToLive:)`` as soon as a server returns NXDOMAIN, ``DNSFailure/cancelled``,
    ///   or the failure of the last attempt.
    func ask(_ question: DNSWireQuery) async throws(DNSFailure) -> Answer {
        var name = question.name
        var timeToLive: Duration?
        for _ in 0..<Self.aliasQueryLimit {
            let found = try await askServers(DNSWireQuery(name: name, type: question.type))
            switch found {
            case .records(let contents, let time):
                return Answer(contents: contents, timeToLive: Self.lower(timeToLive, time))
            case .none(let time):
                return Answer(contents: [], timeToLive: time.map { Self.lower(timeToLive, $0) } ?? timeToLive)
            case .alias(let target, let time):
                timeToLive = Self.lower(timeToLive, time)
                name = target
            case .aliasLoop, .referral:
                throw .aliasLoop
            }
        }
        throw .aliasLoop
    }

    private static func lower(_ time: Duration?, _ seconds: UInt32) -> Duration {
        min(time ?? .seconds(Int64(seconds)), .seconds(Int64(seconds)))
    }

    private func askServers(_ question: DNSWireQuery) async throws(DNSFailure) -> DNSResponse.Answer {
        var failure = DNSFailure.noRecords
        for _ in 0..<max(1, rounds) {
            for server in servers {
                do throws(DNSFailure) {
                    return try await ask(question, of: server)
                } catch {
                    switch error {
                    case .noSuchName, .cancelled: throw error
                    default: failure = error
                    }
                }
            }
        }
        throw failure
    }

    private func ask(
        _ question: DNSWireQuery,
        of server: SocketAddress
    ) async throws(DNSFailure) -> DNSResponse.Answer {
        // A random ID and the ephemeral port chosen by the kernel make forged responses unlikely (RFC 5452).
        let id = UInt16.random(in: 0 ... .max)
        let query = question.query(id: id)
        let exchange = DatagramExchange(address: server, request: query, timeout: timeout)
        var response = try await received(
            from: server,
            exchange.run { Self.read($0, to: question, id: id) }
        )
        if response.isTruncated {
            let length = [UInt8(query.count >> 8), UInt8(query.count & 0xFF)]
            let stream = StreamExchange(
                address: server,
                request: length + query,
                answerLimit: Self.maxMessageLength,
                timeout: timeout
            )
            let result = await stream.run { bytes -> StreamExchange.Conclusion<Parsed>? in
                guard bytes.count >= 2 else { return nil }
                let end = 2 + (Int(bytes[0]) << 8 | Int(bytes[1]))
                guard bytes.count >= end else { return nil }
                let message = Array(bytes[2..<end])
                return .init(
                    value: Self.read(message, to: question, id: id) ?? .failure(.otherQuery),
                    closingMessage: nil
                )
            }
            response = try received(from: server, result.map(\.value))
        }
        if case .failure(let code) = response.code { throw .serverFailure(server: server, code: code) }
        // A truncated TCP response is unusable.
        guard !response.isTruncated else { throw .malformed(server: server) }
        switch response.answer(to: question) {
        case .none(let seconds) where response.code == .noSuchName:
            throw .noSuchName(timeToLive: seconds.map { .seconds(Int64($0)) })
        case .referral:
            throw .referral(server: server)
        case let answer:
            return answer
        }
    }

    private typealias Parsed = Result<DNSResponse, DNSMessageError>

    /// Parses a response; returns nil for a response to another query, because the right one may still arrive.
    private static func read(_ bytes: [UInt8], to question: DNSWireQuery, id: UInt16) -> Parsed? {
        do throws(DNSMessageError) {
            return .success(try DNSResponse(parsing: bytes, to: question, id: id))
        } catch .otherQuery {
            return nil
        } catch {
            return .failure(error)
        }
    }

    private func received(
        from server: SocketAddress,
        _ result: Result<Parsed, ExchangeFailure>
    ) throws(DNSFailure) -> DNSResponse {
        switch result {
        case .success(.success(let response)): return response
        case .success(.failure), .failure(.tooLong): throw .malformed(server: server)
        case .failure(.timedOut), .failure(.ended): throw .silent(server: server)
        case .failure(.notConnected(let error)), .failure(.broken(let error)):
            throw .unreachable(server: server, error)
        case .failure(.cancelled): throw .cancelled
        // Name servers are queried without TLS.
        case .failure(.handshakeTimedOut), .failure(.handshakeEnded), .failure(.tls): throw .silent(server: server)
        }
    }
}

extension DNSClient {
    /// Parses the name servers of resolv.conf(5), at most three as in the C library; 127.0.0.1 if there are none.
    static func servers(in text: String) -> [SocketAddress] {
        let port: UInt16 = 53
        let named = text.split(whereSeparator: \.isNewline).compactMap { line -> SocketAddress? in
            let words = line.split(whereSeparator: \.isWhitespace)
            guard words.count >= 2, words[0] == "nameserver" else { return nil }
            return InternetAddress(host: String(words[1]), port: port).map { .internet($0) }
        }
        let own = SocketAddress.internet(InternetAddress(v4: 0x7F00_0001, port: port))
        return named.isEmpty ? [own] : Array(named.prefix(3))
    }
}
