import Fuzzing
import Notation
import Sockets

@testable import LoadBalancer

@main
struct Balancer {
    static func main() {
        Harness.main([
            Harness("configurations", run: configurations),
            Harness("log-formats", text: logFormats),
            Harness("name-answers", run: nameAnswers),
            Harness("check-answers", run: checkAnswers),
        ])
    }

    /// Checks that a file is accepted, or rejected with an error message and its position.
    @Sendable
    static func configurations(_ bytes: [UInt8]) {
        do {
            let file = try ConfigurationFile(parsing: bytes)
            precondition(!file.listeners.isEmpty && !file.pools.isEmpty, "nothing to serve")
            let pools = Set(file.pools.map(\.name))
            precondition(pools.count == file.pools.count, "two pools of one name")
            precondition(file.listeners.allSatisfy { pools.contains($0.pool) }, "a listener whose pool is not there")
        } catch {
            precondition(!error.problems.isEmpty, "refused without a problem")
            precondition(error.problems.count <= ConfigurationFile.mostProblems, "more problems than may be told")
            precondition(error.problems.allSatisfy { $0.position.line >= 1 && !$0.text.isEmpty }, "a problem nowhere")
        }
    }

    @Sendable
    static func logFormats(_ text: String) {
        do {
            let format = try AccessLogFormat(parsing: text)
            precondition(format.description == text, "another format than was written")
        } catch {
            precondition(!error.description.isEmpty, "refused without a reason")
        }
    }

    /// The first two bytes are the ID of the response, which matches it to the query.
    @Sendable
    static func nameAnswers(_ bytes: [UInt8]) {
        guard bytes.count >= 2, let name = DNSName("_pg._tcp.db.example") else { return }
        let id = UInt16(bytes[0]) << 8 | UInt16(bytes[1])
        for type in [DNSType.ipv4, .ipv6, .service] {
            let question = DNSQuestion(name: name, type: type)
            guard let response = try? DNSResponse(parsing: bytes, to: question, id: id) else { continue }
            precondition(response.records.count <= DNSResponse.recordLimit, "more records than may be")
            let answer = response.answer(to: question)
            precondition(answer.contents.count <= response.records.count, "records from nowhere")
            precondition(answer.contents.isEmpty == (answer.timeToLive == nil), "time to live of nothing")
        }
    }

    /// Checks that a verdict on a prefix does not change when more bytes follow.
    @Sendable
    static func checkAnswers(_ bytes: [UInt8]) {
        let dialogues: [any Dialogue] = [
            PostgreSQLDialogue(user: "monkey"), RedisDialogue(), HTTPDialogue(check: HTTPCheck(path: "/")),
            ExpectedBytes(question: [], expected: Array("ready".utf8)),
        ]
        for dialogue in dialogues {
            var verdict: Bool?
            for count in 0...min(bytes.count, mostBeginnings) {
                let now = dialogue.judge(Array(bytes[..<count])).map(isUp)
                precondition(verdict == nil || now == verdict, "another verdict when more of the answer is there")
                verdict = now
            }
        }
    }

    private static let mostBeginnings = 300

    private static func isUp(_ verdict: Verdict) -> Bool {
        if case .up = verdict { true } else { false }
    }
}
