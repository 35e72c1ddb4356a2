import Testing

@testable import LoadTester

@Suite("Scripts")
struct ScriptTests {
    /// Runs one exchange against the bytes that a peer sends, in chunks of a given size.
    private func follow(_ script: String, _ answers: [String], pieces: Int = .max) throws -> (
        sent: [String], reaction: Reaction
    ) {
        var workload = ScriptWorkload(try LoadTest.Script(parsing: script), thread: 0, of: 1, seed: 1)
        var exchange = workload.initial
        workload.begin(&exchange)
        return follow(&workload, &exchange, answers, pieces: pieces)
    }

    private func follow(
        _ workload: inout ScriptWorkload,
        _ exchange: inout ScriptWorkload.Exchange,
        _ answers: [String],
        pieces: Int
    ) -> (sent: [String], reaction: Reaction) {
        var sent: [String] = []
        var reaction = Reaction.receives
        for answer in answers {
            sent.append(say(&workload, &exchange))
            var rest = Array(answer.utf8)[...]
            while !rest.isEmpty {
                reaction = rest.prefix(pieces).withUnsafeBytes { workload.received($0, &exchange) }
                rest = rest.dropFirst(pieces)
                if case .mismatches = reaction { return (sent, reaction) }
            }
        }
        return (sent, reaction)
    }

    private func say(_ workload: inout ScriptWorkload, _ exchange: inout ScriptWorkload.Exchange) -> String {
        var text: [UInt8] = []
        while true {
            let bytes = workload.outgoing(&exchange)
            if bytes.isEmpty { return String(decoding: text, as: UTF8.self) }
            // Not all in one chunk.
            let count = max(1, bytes.count / 2)
            text += bytes.prefix(count)
            workload.sent(count, &exchange)
        }
    }

    @Test("Lines, escapes and comments are parsed")
    func lines() throws {
        let script = try LoadTest.Script(
            parsing: """
                # a comment

                send PING\\r\\n
                  # another
                expect +PONG\\r\\n
                send a b\\t\\x41\\\\\\${seq}\\0
                send c
                expect d
                """
        )
        #expect(script.turns.count == 2)
        #expect(script.turns[0].sends == [.text(Array("PING\r\n".utf8))])
        #expect(script.turns[0].expects == [.text(Array("+PONG\r\n".utf8))])
        #expect(script.turns[1].sends == [.text(Array("a b\tA\\${seq}\0".utf8)), .text([99])])
    }

    @Test("One pass through a script is one exchange", arguments: [1, 2, 3, 1000])
    func exchange(pieces: Int) throws {
        let script = "send SET k ${seq}\\r\\nexpect +OK\\r\\n\nsend GET k\\r\\n\nexpect $${any}\\r\\n${seq}\\r\\n"
            .replacing("\\nexpect +", with: "\\n\nexpect +")
        let run = try follow(script, ["+OK\r\n", "$1\r\n0\r\n"], pieces: pieces)
        #expect(run.sent == ["SET k 0\r\n", "GET k\r\n"])
        #expect(run.reaction == .completes)
    }

    @Test("${any} ends at the first match, even after a partial match", arguments: [1, 2, 5, 1000])
    func anything(pieces: Int) throws {
        let script = "send x\nexpect HTTP${any}\\r\\n\\r\\n${bytes:3}!"
        let fits = try follow(script, ["HTTP/1.1 200 OK\r\n\rA: b\r\r\n\r\nxyz!"], pieces: pieces)
        #expect(fits.reaction == .completes)
        let short = try follow(script, ["HTTP\r\n\r\nxyz"], pieces: pieces)
        #expect(short.reaction == .receives)
        let wrong = try follow(script, ["HTTP\r\n\r\nxyz?"], pieces: pieces)
        #expect(wrong.reaction == .mismatches)
        let long = try follow(script, ["HTTP\r\n\r\nxyz!!"], pieces: pieces)
        #expect(long.reaction == .mismatches)
    }

    @Test("Repetitive text is matched with backtracking")
    func repetition() throws {
        let run = try follow("send x\nexpect ${any}aabaac", ["aabaabaac"], pieces: 2)
        #expect(run.reaction == .completes)
    }

    @Test("${seq} is unique per thread; ${random} stays below its limit and is constant within an exchange")
    func fillIns() throws {
        let script = try LoadTest.Script(parsing: "send ${seq} ${random:10} ${random:10} ${random:1000000}\nexpect ok")
        var workload = ScriptWorkload(script, thread: 1, of: 3, seed: 9)
        var seen: Set<Int> = []
        for number in 0..<200 {
            var exchange = workload.initial
            workload.begin(&exchange)
            let words = say(&workload, &exchange).split(separator: " ").compactMap { Int($0) }
            #expect(words.count == 4)
            #expect(words[0] == 1 + 3 * number)
            #expect(words[1] == words[2] && (0..<10).contains(words[1]))
            #expect((0..<1_000_000).contains(words[3]))
            seen.insert(words[1])
        }
        #expect(seen == Set(0..<10))
    }

    @Test("A script may start with the peer's greeting, and rejects early responses")
    func order() throws {
        let greeting = try follow(
            "expect 220 ${any}\\r\\n\nsend QUIT\\r\\n\nexpect 221\\r\\n",
            ["220 hello\r\n", "221\r\n"]
        )
        #expect(greeting.sent == ["", "QUIT\r\n"])
        #expect(greeting.reaction == .completes)
        var workload = ScriptWorkload(try LoadTest.Script(parsing: "send a\nexpect b"), thread: 0, of: 1, seed: 1)
        var exchange = workload.initial
        workload.begin(&exchange)
        let early = [UInt8(ascii: "b")].withUnsafeBytes { workload.received($0, &exchange) }
        #expect(early == .mismatches)
    }

    @Test(
        "Invalid scripts are rejected",
        arguments: [
            ("", "no send or expect"), ("# only a comment", "no send or expect"), ("send a", "end with an expect"),
            ("expect", "line 1: expect is empty"),
            ("send a\nexpect ", "line 2: expect is empty"), ("say a\nexpect b", "line 1: unknown command 'say'"),
            ("send a\n\nexpect b\\q", "line 3: a backslash"), ("send \\x4\nexpect a", "line 1: \\x needs"),
            ("send ${seq\nexpect a", "line 1: ${ without a closing"),
            ("send ${what}\nexpect a", "line 1: invalid placeholder '${what}'"),
            ("send ${random:0}\nexpect a", "invalid placeholder"), ("send ${any}\nexpect a", "line 1: ${any} and"),
            ("send a\nexpect ${any}", "${any} must be"), ("send a\nexpect ${any}${seq}", "${any} must be"),
            ("send a\nexpect ${bytes:0}", "invalid placeholder"), ("send a\\", "a backslash"),
        ]
    )
    func unreadable(text: String, why: String) {
        let error = #expect(throws: LoadTest.SyntaxError.self) { try LoadTest.Script(parsing: text) }
        #expect(error?.description.contains(why) == true, "\(error?.description ?? "")")
    }
}
