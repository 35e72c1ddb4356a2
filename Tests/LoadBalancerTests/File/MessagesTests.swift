import LoadBalancer
import Testing

/// Diagnostics of invalid files, word for word.
@Suite struct MessagesTests {
    @Test func allMistakesAreToldAtOnce() {
        #expect(messages(Transcripts.long) == Transcripts.longMessages)
    }

    @Test func aFileWithMuchOfYAMLIsWell() {
        #expect(messages(Transcripts.well) == [])
    }

    // MARK: - The file

    @Test(arguments: [
        ("", "1:1: error: there is nothing in the file: it needs listeners and pools"),
        ("# nothing\n", "1:1: error: there is nothing in the file: it needs listeners and pools"),
        ("a: 1\n---\nb: 2\n", "3:1: error: a second document begins: a configuration is one document"),
        ("a: \u{E000}\n", "1:4: error: the character U+E000 means nothing and cannot be used: leave it out"),
        ("a: \u{7}\n", "1:4: error: a control character stands here, which YAML does not allow: leave it out"),
    ])
    func theFile(text: String, first: String) {
        #expect(messages(text).contains(first), "\(messages(text))")
    }

    @Test(arguments: [
        ("a:\n  listen: [::1]:5432\n", "2:12: error: ", "write an IPv6 address in quotes, such as \"[::1]:5432\""),
        ("a: {listen: :5433}\n", "1:13: error: ", "put a text that begins with a colon or a bracket in quotes"),
        ("listeners:\n\ta: 5\n", "2:1: error: ", "indent with spaces, not with tabs"),
        (
            "a:\n  listen: x: y\n", "2:12: error: ",
            "indent it as the keys beside it, and put a text that has a colon and a space in quotes"
        ),
        ("a: [1, 2\nb: 3\n", "2:2: error: ", "close the list with ], or put a text with a bracket in quotes"),
        ("a: {b: 1\nc: 3\n", "2:2: error: ", "close the group with }, or put a text with a brace in quotes"),
        ("a: \"x\n", "2:1: error: ", "close the quotes that are open"),
        ("a: \"\\q\"\n", "1:5: error: ", "write a backslash twice, or use single quotes"),
        ("a: @x\n", "1:4: error: ", "put a text that begins so in quotes"),
        ("a:\n  b: 1\n c: 2\n", "3:2: error: ", "let all keys of one group begin in one column"),
        ("a: b\nc\n", "3:1: error: ", "write a colon and a space after the key"),
    ])
    func whatIsNoYAMLHasAHint(text: String, place: String, hint: String) throws {
        let messages = messages(text)
        #expect(messages.count == 1)
        let message = try #require(messages.first)
        #expect(message.hasPrefix("\(place)this is no YAML: "), "\(message)")
        #expect(message.hasSuffix(": \(hint)"), "\(message)")
    }

    // MARK: - YAML that is not supported

    @Test(arguments: [
        ("a: !!int 5\n", "1:4: error: a: 'tag:yaml.org,2002:int' is a tag, which means nothing here: leave it out"),
        ("a: !x {b: 1}\n", "1:4: error: a: '!x' is a tag, which means nothing here: leave it out"),
        ("? [x]\n: y\n", "1:3: error: a key is plain text: write its name here"),
        ("? *z\n: y\n", "1:3: error: a key is plain text: write its name here"),
        (
            "a: &a {b: 1}\nc:\n  <<: *a\n",
            "3:3: error: c.'<<': keys are not merged here: write them out, or use an alias for a whole value"
        ),
        (
            "a: *b\n",
            "1:4: error: a: *b is an alias, and no anchor &b stands before it: write the value itself"
        ),
        (
            "a: *:5432\n",
            "1:4: error: a: '*:5432' begins with an asterisk, which YAML takes for an alias: write it in quotes"
        ),
        ("a: 1\nb: 2\na: 3\n", "3:1: error: a: this key stands on line 1 already: keep one of them"),
        ("x: {a: 1, b: 2, a: 3, b: 4}\n", "1:17: error: x.a: this key stands on line 1 already: keep one of them"),
        ("x: {a: 1, b: 2, a: 3, b: 4}\n", "1:23: error: x.b: this key stands on line 1 already: keep one of them"),
    ])
    func yaml(text: String, message: String) {
        #expect(messages(text).contains(message), "\(messages(text))")
    }

    /// The second error on a line is reported at its original position, whatever text Yams was given.
    @Test func columnsAreThoseOfTheFile() {
        #expect(
            messages(file(pool: "queue: {limit: 1, limit: 2, timeout: x}\n")).filter { $0.contains("error") } == [
                "6:23: error: pools.p.queue.limit: this key stands on line 6 already: keep one of them",
                "6:42: error: pools.p.queue.timeout: 'x': "
                    + "write a whole number and its unit, such as 500ms, 10s, 5m or 1h",
            ]
        )
    }

    // MARK: - Values

    @Test(arguments: [
        (
            "policy:\n",
            "6:12: error: pools.p.policy: nothing stands here: write round-robin, least-connections, random, source-hash, maglev, first or fastest"
        ),
        (
            "policy: [first]\n",
            "6:13: error: pools.p.policy: a list stands here: write round-robin, least-connections, random, source-hash, maglev, first or fastest"
        ),
        ("policy: firts\n", "6:13: error: pools.p.policy: 'firts' is unknown: did you mean first?"),
        ("slow-start: 5\n", "6:17: error: pools.p.slow-start: '5': missing unit: write 5ms, 5s, 5m or 5h"),
        ("slow-start: 0s\n", "6:17: error: pools.p.slow-start: '0s': too short: must be at least 1ms"),
        ("slow-start: 9000h\n", "6:17: error: pools.p.slow-start: '9000h': too long: must be at most 8760h"),
        (
            "slow-start: {}\n",
            "6:17: error: pools.p.slow-start: a group of keys stands here: write a duration from 1ms to 8760h, such as 500ms or 10s"
        ),
        ("queue: 5\n", "6:12: error: pools.p.queue: '5' does not fit: write limit or timeout"),
        (
            "queue: {limit: 1.5}\n",
            "6:20: error: pools.p.queue.limit: '1.5' does not fit: write a whole number from 0 to 1000000"
        ),
        ("queue: {limit: \"5\"}\n", "6:20: error: pools.p.queue.limit: this is a text: write 5 without quotes"),
        (
            "ejection: {failure-share: 50}\n",
            "6:31: error: pools.p.ejection.failure-share: '50': write a whole number and %, from 1% to 100%"
        ),
        (
            "ejection: {most-ejected: 101%}\n",
            "6:30: error: pools.p.ejection.most-ejected: '101%': write a whole number and %, from 0% to 100%"
        ),
        (
            "ejection: {longest: 5s}\n",
            "6:25: error: pools.p.ejection.longest: longest is shorter than base: write at least as much as base"
        ),
        ("check: {}\n", "6:12: error: pools.p.check: the key type is missing: write type: tcp"),
        (
            "check: {type: http, send: x}\n",
            "6:25: error: pools.p.check.send: a check of type http has no such key: take it out, or write type: send-expect"
        ),
        (
            "check: {type: send-expect}\n",
            "6:12: error: pools.p.check: the key expect is missing: write what must be in the answer, or type: tcp if none is expected"
        ),
        (
            "check: {type: send-expect, expect: ''}\n",
            "6:40: error: pools.p.check.expect: it has 0 bytes: write 1 to 4096"
        ),
        (
            "check: {type: send-expect, expect: 220}\n",
            "6:40: error: pools.p.check.expect: YAML takes this for a number, and it is to be a text: write \"220\", in quotes"
        ),
        (
            "check: {type: http, path: health}\n",
            "6:31: error: pools.p.check.path: 'health' is no path: begin it with a slash, such as /health"
        ),
        (
            "check: {type: http, status: 99}\n",
            "6:33: error: pools.p.check.status: '99' does not fit: write a status from 100 to 599, or two with a hyphen between: 200-399"
        ),
        (
            "check: {type: http, status: 400-200}\n",
            "6:33: error: pools.p.check.status: '400-200' does not fit: write a status from 100 to 599, or two with a hyphen between: 200-399"
        ),
        ("when-down: drop\n", "6:16: error: pools.p.when-down: 'drop' is unknown: write keep or close"),
        (
            "slow_start: 5s\n",
            "6:5: error: pools.p.slow_start: there is no such key of a pool: did you mean slow-start?"
        ),
        (
            "maximum: 5\n",
            "6:5: error: pools.p.maximum: there is no such key of a pool: write servers, policy, check, ejection, slow-start, queue, when-down, when-all-down, send-proxy or resolve-interval"
        ),
    ])
    func aPoolsKeys(text: String, message: String) {
        #expect(messages(file(pool: text)).contains(message), "\(messages(file(pool: text)))")
    }

    @Test(arguments: [
        (
            "10.0.0.1",
            "4:17: error: pools.p.servers[0]: '10.0.0.1' has no port: write it as host:port, such as 127.0.0.1:8080"
        ),
        (
            "h:0",
            "4:17: error: pools.p.servers[0]: nothing can be reached at port 0: write the port that the server listens on"
        ),
        ("{weight: 1}", "4:17: error: pools.p.servers[0]: the key address is missing: write address: 10.0.0.1:5432"),
        (
            "{address: 'h:1', weight: 300}",
            "4:42: error: pools.p.servers[0].weight: '300' does not fit: write a whole number from 0 to 256"
        ),
        (
            "{address: 'h:1', name: a b}",
            "4:40: error: pools.p.servers[0].name: 'a b' is no name: write letters, digits, -, _ and ., 64 at most, the first a letter or a digit"
        ),
        (
            "{address: 'h:1', backup: yes}",
            "4:42: error: pools.p.servers[0].backup: 'yes' does not fit: write true or false"
        ),
        (
            "{address: 'h:1', backup: true}",
            "4:16: error: pools.p.servers: every server is a backup, so there is none that they stand in for: leave backup out of at least one"
        ),
        (
            "{address: 'h:1', weight: 0}",
            "4:16: error: pools.p.servers: every server has the weight 0, so none gets a connection: write 1 or more for at least one"
        ),
        (
            "srv:a..b",
            "4:17: error: pools.p.servers[0]: 'srv:a..b' names no service: write it as srv:_service._tcp.example.com, with letters, digits, - and _"
        ),
        (
            "{address: 'srv:_a._tcp.b', weight: 2}",
            "4:52: error: pools.p.servers[0].weight: the records of a service tell its servers' weights: take it out"
        ),
        (
            "'h:1', 'h:1'",
            "4:24: error: pools.p.servers[1]: the pool has the server h:1 on line 4 already: keep one of them, with a weight if it is to get more"
        ),
        (
            "{address: 'h:1', name: a}, {address: 'h:2', name: a}",
            "4:67: error: pools.p.servers[1]: the pool has a server of the name a on line 4 already: write another name"
        ),
        ("", "4:16: error: pools.p.servers: a list stands here: write a line for each server, such as - 10.0.0.1:5432"),
    ])
    func servers(text: String, message: String) {
        let file = "listeners:\n  a: {listen: ':80', pool: p}\npools:\n  p: {servers: [\(text)]}\n"
        #expect(messages(file).contains(message), "\(messages(file))")
    }

    // MARK: - Listeners

    @Test(arguments: [
        (
            "':80'", "':80'",
            "3:15: error: listeners.b.listen: listeners.a listens at [::]:80 already: write another address or port"
        ),
        (
            "':80'", "'127.0.0.1:80'",
            "3:15: error: listeners.b.listen: listeners.a listens at [::]:80, and one of the two is all interfaces: write another port"
        ),
        (
            "'127.0.0.1:80'", "'0.0.0.0:80'",
            "3:15: error: listeners.b.listen: listeners.a listens at 127.0.0.1:80, and one of the two is all interfaces: write another port"
        ),
        (
            "'127.0.0.1:81'", "'127.0.0.1:8998'",
            "3:15: error: listeners.b.listen: metrics listens at 127.0.0.1:8998 already: write another address or port"
        ),
        (
            "'unix:/a'", "'unix:/a'",
            "3:15: error: listeners.b.listen: listeners.a listens at unix:/a already: write another address or port"
        ),
        (
            "':80'", "'10.0.0.1:1'",
            "3:35: error: listeners.b.pool: pool p has the server 10.0.0.1:1, which is this listener itself: it would connect to itself for ever"
        ),
    ])
    func twoListeners(first: String, second: String, message: String) {
        let text = """
            listeners:
              a: {listen: \(first), pool: p}
              b: {listen: \(second), pool: p}
            pools:
              p: {servers: ["10.0.0.1:1"]}

            """
        #expect(messages(text) == [message])
    }

    @Test(arguments: [
        ("':0'", "':0'"), ("'[::1]:80'", "'127.0.0.1:80'"), ("'[::1]:80'", "'0.0.0.0:80'"), ("'unix:/a'", "'unix:/b'"),
    ])
    func twoListenersThatGoTogether(first: String, second: String) {
        let text = """
            listeners: {a: {listen: \(first), pool: p}, b: {listen: \(second), pool: p}}
            pools: {p: {servers: ["10.0.0.1:1"]}}
            """
        #expect(messages(text) == [])
    }

    @Test func namesAreShortAndPlain() {
        let long = String(repeating: "x", count: 65)
        for name in ["a b", "", "-a", "ä", long] {
            let text =
                "listeners: {a: {listen: ':80', pool: p}}\npools: {p: {servers: ['h:1']}, \"\(name)\": {servers: ['h:1']}}\n"
            #expect(
                messages(text).contains { $0.contains(" is no name: write letters, digits, -, _ and .") },
                "\(name)"
            )
        }
    }

    // MARK: - Warnings

    @Test(arguments: [
        (
            "queue: {limit: 5}\n",
            "6:12: warning: pools.p.queue: no server of the pool has max-connections, so nobody ever waits: give them one, or take the queue out"
        ),
        (
            "check: {type: tcp, timeout: 3s}\n",
            "6:33: warning: pools.p.check.timeout: timeout is longer than interval, so a server that does not answer is checked more rarely than said"
        ),
        (
            "ejection: {consecutive-failures: off, failure-share: off}\n",
            "6:15: warning: pools.p.ejection: consecutive-failures and failure-share are both off, so no server is ever left out: write ejection: off"
        ),
    ])
    func warnings(text: String, message: String) {
        #expect(messages(file(pool: text)) == [message])
    }

    @Test func anAttemptThatCannotLastIsWarnedOf() {
        let text = """
            listeners: {a: {listen: ':80', pool: p, connect-timeout: 20s}}
            pools: {p: {servers: ["10.0.0.1:1"]}}
            """
        #expect(
            messages(text) == [
                "1:58: warning: listeners.a.connect-timeout: connect-timeout is longer than connect-deadline, which ends the "
                    + "first attempt before: write a shorter connect-timeout"
            ]
        )
    }
}
