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
    private static let longestMessage = 2 + Int(UInt16.max)

    struct Answer: Hashable, Sendable {
        /// Empty if the name exists but has no records of the type.
        var contents: [DNSRecord.Content]
        /// TTL of the records; nil if there are none.
        var timeToLive: Duration?
    }

    /// Sends a query to the servers in order until one answers.
    ///
    /// - Throws: ``DNSFailure/noSuchName`` as soon as a server returns NXDOMAIN, ``DNSFailure/cancelled``, or the
    ///   failure of the last attempt.
    func ask(_ question: DNSWireQuery) async throws(DNSFailure) -> Answer {
        var failure = DNSFailure.noRecords
        for _ in 0..<max(1, rounds) {
            for server in servers {
                do throws(DNSFailure) {
                    return try await ask(question, of: server)
                } catch {
                    if error == .noSuchName || error == .cancelled { throw error }
                    failure = error
                }
            }
        }
        throw failure
    }

    private func ask(_ question: DNSWireQuery, of server: SocketAddress) async throws(DNSFailure) -> Answer {
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
                answerLimit: Self.longestMessage,
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
        switch response.code {
        case .success: break
        case .noSuchName: throw .noSuchName
        case .failure(let code): throw .serverFailure(server: server, code: code)
        }
        // A truncated TCP response is unusable.
        guard !response.isTruncated else { throw .malformed(server: server) }
        let (contents, seconds) = response.answer(to: question)
        return Answer(contents: contents, timeToLive: seconds.map { .seconds(Int64($0)) })
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
