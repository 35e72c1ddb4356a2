import Fuzzing
import Sockets
import ValueFormats

@testable import LoadBalancer

@main
struct Balancer {
    static func main() {
        Harness.main([
            Harness("configurations", run: configurations),
            Harness("log-formats", text: logFormats),
            Harness("dns-responses", run: dnsResponses),
            Harness("health-checks", run: healthChecks),
        ])
    }

    /// Checks that a file is accepted, or rejected with an error message and its position.
    @Sendable
    static func configurations(_ bytes: [UInt8]) {
        do {
            let file = try ConfigurationFile(parsing: bytes, in: .isolated)
            precondition(!file.listeners.isEmpty && !file.pools.isEmpty, "no listener or no pool")
            let pools = Set(file.pools.map(\.name))
            precondition(pools.count == file.pools.count, "two pools have the same name")
            precondition(file.listeners.allSatisfy { pools.contains($0.pool) }, "a listener refers to an unknown pool")
        } catch {
            precondition(!error.diagnostics.isEmpty, "rejected without a diagnostic")
            precondition(error.diagnostics.count <= ConfigurationFile.maxProblems, "too many diagnostics")
            precondition(
                error.diagnostics.allSatisfy { $0.location.line >= 1 && !$0.text.isEmpty },
                "an empty diagnostic"
            )
        }
    }

    @Sendable
    static func logFormats(_ text: String) {
        do {
            let format = try AccessLogFormat(parsing: text)
            precondition(format.description == text, "the format changed when parsed")
        } catch {
            precondition(!error.description.isEmpty, "rejected without a reason")
        }
    }

    /// The first two bytes are the ID of the response, which matches it to the query.
    @Sendable
    static func dnsResponses(_ bytes: [UInt8]) {
        guard bytes.count >= 2, let name = DNSName("_pg._tcp.db.example") else { return }
        let id = UInt16(bytes[0]) << 8 | UInt16(bytes[1])
        for type in [DNSType.ipv4, .ipv6, .service] {
            let query = DNSWireQuery(name: name, type: type)
            guard let response = try? DNSResponse(parsing: bytes, to: query, id: id) else { continue }
            precondition(response.records.count <= DNSResponse.recordLimit, "too many records")
            if case .records(let contents, _) = response.answer(to: query) {
                precondition(!contents.isEmpty, "an answer without records")
                precondition(contents.count <= response.records.count, "more records than in the response")
            }
        }
    }

    /// Checks that the evaluation of a prefix does not change when more bytes follow.
    @Sendable
    static func healthChecks(_ bytes: [UInt8]) {
        let exchanges: [any HealthCheckExchange] = [
            PostgreSQLHealthCheckExchange(user: "monkey"), RedisHealthCheckExchange(),
            RedisHealthCheckExchange(role: .replica), MySQLHealthCheckExchange(user: "monkey"),
            PostgreSQLHealthCheckExchange(user: "monkey", usesTLS: true),
            MySQLHealthCheckExchange(user: "monkey", usesTLS: true),
            HTTPHealthCheckExchange(check: HTTPHealthCheck(path: "/")),
            ExpectedBytes(steps: [.init(send: [], expect: Array("ready".utf8))]),
        ]
        for exchange in exchanges {
            for sent in 0...2 {
                var result: Bool?
                for count in 0...min(bytes.count, maxPrefix) {
                    let evaluation = exchange.evaluate(Array(bytes[..<count]), sent: sent).map(isUp)
                    precondition(result == nil || evaluation == result, "the result changed when more bytes arrived")
                    result = evaluation
                }
            }
        }
    }

    /// Maximum length at which all prefixes are checked.
    private static let maxPrefix = 300

    private static func isUp(_ evaluation: Evaluation) -> Bool {
        if case .up = evaluation { true } else { false }
    }
}
