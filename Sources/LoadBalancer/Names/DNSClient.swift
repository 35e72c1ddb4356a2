import Glibc
import Sockets

/// Asks name servers: by UDP, again where nothing comes, and by TCP where an answer does not fit a datagram (RFC 7766).
struct DNSClient: Hashable, Sendable {
    /// Asked in this order, one at least.
    var servers: [SocketAddress]
    /// For each attempt, by UDP or TCP.
    var timeout = Duration.seconds(2)
    /// How often the whole list is gone through.
    var rounds = 2

    /// The longest answer by TCP: its length is a number of 16 bits before it.
    private static let longestMessage = 2 + Int(UInt16.max)

    struct Answer: Hashable, Sendable {
        /// None where the name is there and has no such records.
        var contents: [DNSRecord.Content]
        /// Nil where there are none.
        var timeToLive: Duration?
    }

    /// - Throws: the last server's failure, where none gave an answer. That there is no such name is an answer.
    func ask(_ question: DNSQuestion) async throws(NameFailure) -> Answer {
        var failure = NameFailure.noRecords
        for _ in 0..<max(1, rounds) {
            for server in servers {
                do throws(NameFailure) {
                    return try await ask(question, of: server)
                } catch {
                    if error == .noSuchName || error == .cancelled { throw error }
                    failure = error
                }
            }
        }
        throw failure
    }

    private func ask(_ question: DNSQuestion, of server: SocketAddress) async throws(NameFailure) -> Answer {
        // Not to be guessed, and neither is the port that the kernel picks: so forged answers are unlikely (RFC 5452).
        let id = UInt16.random(in: 0 ... .max)
        let query = question.query(id: id)
        let exchange = DatagramExchange(address: server, question: query, timeout: timeout)
        var response = try await received(
            from: server,
            exchange.run { Self.read($0, to: question, id: id) }
        )
        if response.isTruncated {
            let length = [UInt8(query.count >> 8), UInt8(query.count & 0xFF)]
            let stream = StreamExchange(
                address: server,
                question: length + query,
                answerLimit: Self.longestMessage,
                timeout: timeout
            )
            let result = await stream.run { bytes -> StreamExchange.Conclusion<Parsed>? in
                guard bytes.count >= 2 else { return nil }
                let end = 2 + (Int(bytes[0]) << 8 | Int(bytes[1]))
                guard bytes.count >= end else { return nil }
                let message = Array(bytes[2..<end])
                return .init(value: Self.read(message, to: question, id: id) ?? .failure(.otherQuery), farewell: nil)
            }
            response = try received(from: server, result.map(\.value))
        }
        switch response.code {
        case .success: break
        case .noSuchName: throw .noSuchName
        case .failure(let code): throw .serverFailure(server: server, code: code)
        }
        // A truncated answer by TCP is as good as none.
        guard !response.isTruncated else { throw .malformed(server: server) }
        let (contents, seconds) = response.answer(to: question)
        return Answer(contents: contents, timeToLive: seconds.map { .seconds(Int64($0)) })
    }

    private typealias Parsed = Result<DNSResponse, DNSMessageError>

    /// Nil for what answers another query: the right answer may still come.
    private static func read(_ bytes: [UInt8], to question: DNSQuestion, id: UInt16) -> Parsed? {
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
    ) throws(NameFailure) -> DNSResponse {
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
    /// The name servers in resolv.conf(5), at most three as in the C library; this machine's own where it names none.
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
