import LoadBalancer
import Testing

/// Diagnostics of invalid files, word for word.
@Suite("Diagnostics of configuration files")
struct MessagesTests {
    @Test("all errors of a file are reported together")
    func allErrors() {
        #expect(messages(Transcripts.long) == Transcripts.longMessages)
    }

    @Test("a file that uses most of YAML is valid")
    func validFile() {
        #expect(messages(Transcripts.well) == [])
    }

    // MARK: - The file

    @Test(
        "an unusable file is reported",
        arguments: [
            ("", "1:1: error: the file is empty: add listeners and pools"),
            ("# nothing\n", "1:1: error: the file is empty: add listeners and pools"),
            ("a: 1\n---\nb: 2\n", "3:1: error: unexpected second document: the file must contain only one"),
            ("a: \u{E000}\n", "1:4: error: the character U+E000 is not supported: remove it"),
            ("a: \u{7}\n", "1:4: error: control characters are not allowed in YAML: remove this one"),
        ]
    )
    func unusableFile(text: String, first: String) {
        #expect(messages(text).contains(first), "\(messages(text))")
    }

    @Test(
        "an error in YAML is reported with a hint",
        arguments: [
            ("a:\n  listen: [::1]:5432\n", "2:12: error: ", "write an IPv6 address in quotes, such as \"[::1]:5432\""),
            ("a: {listen: :5433}\n", "1:13: error: ", "quote text that begins with a colon or a bracket"),
            ("listeners:\n\ta: 5\n", "2:1: error: ", "indent with spaces, not with tabs"),
            (
                "a:\n  listen: x: y\n", "2:12: error: ",
                "indent all keys of one mapping equally, and quote text that contains a colon and a space"
            ),
            ("a: [1, 2\nb: 3\n", "2:2: error: ", "close the list with ], or quote text that contains a bracket"),
            ("a: {b: 1\nc: 3\n", "2:2: error: ", "close the mapping with }, or quote text that contains a brace"),
            ("a: \"x\n", "2:1: error: ", "close the open quotes"),
            ("a: \"\\q\"\n", "1:5: error: ", "write a backslash twice, or use single quotes"),
            ("a: @x\n", "1:4: error: ", "quote text that begins with this character"),
            ("a:\n  b: 1\n c: 2\n", "3:2: error: ", "indent all keys of one mapping equally"),
            ("a: b\nc\n", "3:1: error: ", "write a colon and a space after the key"),
        ]
    )
    func syntaxErrors(text: String, position: String, hint: String) throws {
        let messages = messages(text)
        #expect(messages.count == 1)
        let message = try #require(messages.first)
        #expect(message.hasPrefix("\(position)invalid YAML: "), "\(message)")
        #expect(message.hasSuffix(": \(hint)"), "\(message)")
    }

    // MARK: - YAML that is not supported

    @Test(
        "unsupported YAML is reported",
        arguments: [
            ("a: !!int 5\n", "1:4: error: a: YAML tag 'tag:yaml.org,2002:int' is not supported: remove it"),
            ("a: !x {b: 1}\n", "1:4: error: a: YAML tag '!x' is not supported: remove it"),
            ("? [x]\n: y\n", "1:3: error: invalid key: must be plain text"),
            ("? *z\n: y\n", "1:3: error: invalid key: must be plain text"),
            (
                "a: &a {b: 1}\nc:\n  <<: *a\n",
                "3:3: error: c.'<<': merge keys are not supported: write the keys out, or use an alias for a whole value"
            ),
            (
                "a: *b\n",
                "1:4: error: a: alias *b has no anchor &b before it: write the value itself"
            ),
            (
                "a: *:5432\n",
                "1:4: error: a: '*:5432' begins with an asterisk, which YAML reads as an alias: write it in quotes"
            ),
            ("a: 1\nb: 2\na: 3\n", "3:1: error: a: duplicate key, first defined on line 1: keep one of them"),
            (
                "x: {a: 1, b: 2, a: 3, b: 4}\n",
                "1:17: error: x.a: duplicate key, first defined on line 1: keep one of them"
            ),
            (
                "x: {a: 1, b: 2, a: 3, b: 4}\n",
                "1:23: error: x.b: duplicate key, first defined on line 1: keep one of them"
            ),
        ]
    )
    func unsupportedYAML(text: String, message: String) {
        #expect(messages(text).contains(message), "\(messages(text))")
    }

    /// The second error on a line is reported at its original position, whatever text Yams was given.
    @Test("columns are those of the file")
    func columns() {
        #expect(
            messages(file(pool: "queue: {limit: 1, limit: 2, timeout: x}\n")).filter { $0.contains("error") } == [
                "6:23: error: pools.p.queue.limit: duplicate key, first defined on line 6: keep one of them",
                "6:42: error: pools.p.queue.timeout: 'x': "
                    + "write a number and its unit, such as 500ms, 1.5s, 1m30s or 1h",
            ]
        )
    }

    // MARK: - Values

    @Test(
        "an invalid key or value of a pool is reported",
        arguments: [
            (
                "policy:\n",
                "6:12: error: pools.p.policy: missing value: must be round-robin, least-connections, random, source-hash, maglev, first or fastest"
            ),
            (
                "policy: [first]\n",
                "6:13: error: pools.p.policy: invalid list: must be round-robin, least-connections, random, source-hash, maglev, first or fastest"
            ),
            ("policy: firts\n", "6:13: error: pools.p.policy: unknown value 'firts': did you mean first?"),
            ("slow-start: 5\n", "6:17: error: pools.p.slow-start: '5': missing unit: write 5ms, 5s, 5m or 5h"),
            ("slow-start: 0s\n", "6:17: error: pools.p.slow-start: '0s': too short: must be at least 1ms"),
            ("slow-start: 9000h\n", "6:17: error: pools.p.slow-start: '9000h': too long: must be at most 8760h"),
            (
                "slow-start: {}\n",
                "6:17: error: pools.p.slow-start: invalid mapping: must be a duration from 1ms to 8760h, such as 500ms or 1m30s"
            ),
            (
                "queue: 5\n",
                "6:12: error: pools.p.queue: invalid value '5': must be a mapping with the keys limit or timeout"
            ),
            (
                "queue: {limit: 1.5}\n",
                "6:20: error: pools.p.queue.limit: invalid value '1.5': must be a whole number from 0 to 1000000"
            ),
            ("queue: {limit: \"5\"}\n", "6:20: error: pools.p.queue.limit: unexpected quotes: write 5 without quotes"),
            (
                "ejection: {failure-rate: 50}\n",
                "6:30: error: pools.p.ejection.failure-rate: '50': must be a whole number and %, from 1% to 100%"
            ),
            (
                "ejection: {max-percent: 101%}\n",
                "6:29: error: pools.p.ejection.max-percent: '101%': must be a whole number and %, from 0% to 100%"
            ),
            (
                "ejection: {max-time: 5s}\n",
                "6:26: error: pools.p.ejection.max-time: max-time is shorter than base-time: must be at least base-time"
            ),
            ("check: {}\n", "6:12: error: pools.p.check: missing key type: add type: tcp"),
            (
                "check: {type: http, send: x}\n",
                "6:25: error: pools.p.check.send: unknown key in a check of type http: remove it, or set type: send-expect"
            ),
            (
                "check: {type: send-expect}\n",
                "6:12: error: pools.p.check: missing key expect: add the text that the response must contain, or set type: tcp"
            ),
            (
                "check: {type: send-expect, expect: ''}\n",
                "6:40: error: pools.p.check.expect: invalid length of 0 bytes: must be 1 to 4096"
            ),
            (
                "check: {type: send-expect, expect: 220}\n",
                "6:40: error: pools.p.check.expect: YAML reads this as a number, but it must be text: write \"220\" in quotes"
            ),
            (
                "check: {type: http, path: health}\n",
                "6:31: error: pools.p.check.path: invalid path 'health': must begin with a slash, such as /health"
            ),
            (
                "check: {type: http, status: 99}\n",
                "6:33: error: pools.p.check.status: invalid value '99': must be status codes from 100 to 599, such as 204, 200-399 or 200-299,304"
            ),
            (
                "check: {type: http, status: 400-200}\n",
                "6:33: error: pools.p.check.status: invalid value '400-200': must be status codes from 100 to 599, such as 204, 200-399 or 200-299,304"
            ),
            (
                "on-server-down: drop\n",
                "6:21: error: pools.p.on-server-down: unknown value 'drop': must be keep or close"
            ),
            (
                "slow_start: 5s\n",
                "6:5: error: pools.p.slow_start: unknown key in a pool: did you mean slow-start?"
            ),
            (
                "maximum: 5\n",
                "6:5: error: pools.p.maximum: unknown key in a pool: must be servers, policy, fastest-by, fastest-tolerance, check, ejection, slow-start, queue, retry, on-server-down, on-all-down, send-proxy, protocol, tls, resolver or resolve-interval"
            ),
        ]
    )
    func poolKeys(text: String, message: String) {
        #expect(messages(file(pool: text)).contains(message), "\(messages(file(pool: text)))")
    }

    @Test(
        "an invalid server is reported",
        arguments: [
            (
                "10.0.0.1",
                "4:17: error: pools.p.servers[0]: '10.0.0.1' has no port: write it as host:port, such as 127.0.0.1:8080"
            ),
            (
                "h:0",
                "4:17: error: pools.p.servers[0]: invalid port 0: must be the port that the server listens on"
            ),
            ("{weight: 1}", "4:17: error: pools.p.servers[0]: missing key address: add address: 10.0.0.1:5432"),
            (
                "{address: 'h:1', weight: 300}",
                "4:42: error: pools.p.servers[0].weight: invalid value '300': must be a whole number from 0 to 256"
            ),
            (
                "{address: 'h:1', name: a b}",
                "4:40: error: pools.p.servers[0].name: invalid name 'a b': must be at most 64 letters, digits, -, _ and ., the first a letter or digit"
            ),
            (
                "{address: 'h:1', backup: yes}",
                "4:42: error: pools.p.servers[0].backup: invalid value 'yes': must be true or false"
            ),
            (
                "{address: 'h:1', backup: true}",
                "4:16: error: pools.p.servers: every server is a backup: remove backup from at least one"
            ),
            (
                "{address: 'h:1', weight: 0}",
                "4:16: error: pools.p.servers: every server has weight 0, so none gets connections: set at least one to 1 or more"
            ),
            (
                "srv:a..b",
                "4:17: error: pools.p.servers[0]: invalid service 'srv:a..b': must be like srv:_service._tcp.example.com, with letters, digits, - and _"
            ),
            (
                "{address: 'srv:_a._tcp.b', weight: 2}",
                "4:52: error: pools.p.servers[0].weight: weights come from the SRV records of the service: remove weight"
            ),
            (
                "'h:1', 'h:1'",
                "4:24: error: pools.p.servers[1]: duplicate server h:1, first defined on line 4: keep one, with a weight if it should get more connections"
            ),
            (
                "'h:1', 'H.:1'",
                "4:24: error: pools.p.servers[1]: duplicate server H.:1, first defined on line 4: keep one, with a weight if it should get more connections"
            ),
            (
                "'unix:/tmp/x', 'unix:/tmp/.//x'",
                "4:32: error: pools.p.servers[1]: duplicate server unix:/tmp/.//x, first defined on line 4: keep one, with a weight if it should get more connections"
            ),
            (
                "{address: 'h:1', name: a}, {address: 'h:2', name: a}",
                "4:67: error: pools.p.servers[1]: duplicate server name a, first used on line 4: choose another name"
            ),
            (
                "",
                "4:16: error: pools.p.servers: invalid list: must be a list of at least one server, such as - 10.0.0.1:5432"
            ),
        ]
    )
    func servers(text: String, message: String) {
        let file = "listeners:\n  a: {listen: ':80', pool: p}\npools:\n  p: {servers: [\(text)]}\n"
        #expect(messages(file).contains(message), "\(messages(file))")
    }

    // MARK: - Listeners

    @Test(
        "conflicting listeners are reported",
        arguments: [
            (
                "':80'", "':80'",
                "3:15: error: listeners.b.listen: [::]:80 is already used by listeners.a: choose another address or port"
            ),
            (
                "':80'", "'127.0.0.1:80'",
                "3:15: error: listeners.b.listen: conflicts with [::]:80 of listeners.a, as one of them binds all interfaces: choose another port"
            ),
            (
                "'127.0.0.1:80'", "'0.0.0.0:80'",
                "3:15: error: listeners.b.listen: conflicts with 127.0.0.1:80 of listeners.a, as one of them binds all interfaces: choose another port"
            ),
            (
                "'127.0.0.1:81'", "'127.0.0.1:8998'",
                "3:15: error: listeners.b.listen: 127.0.0.1:8998 is already used by admin: choose another address or port"
            ),
            (
                "'unix:/a'", "'unix:/a'",
                "3:15: error: listeners.b.listen: unix:/a is already used by listeners.a: choose another address or port"
            ),
            (
                "'unix:/a'", "'unix:/./a'",
                "3:15: error: listeners.b.listen: unix:/a is already used by listeners.a: choose another address or port"
            ),
            (
                "'host.example:80'", "'Host.Example.:80'",
                "3:15: error: listeners.b.listen: host.example:80 is already used by listeners.a: choose another address or port"
            ),
            (
                "':80'", "'10.0.0.1:1'",
                "3:35: error: listeners.b.pool: server 10.0.0.1:1 of pool p is this listener, so it would connect to itself: change one of the addresses"
            ),
        ]
    )
    func conflictingListeners(first: String, second: String, message: String) {
        let text = """
            listeners:
              a: {listen: \(first), pool: p}
              b: {listen: \(second), pool: p}
            pools:
              p: {servers: ["10.0.0.1:1"]}

            """
        #expect(messages(text) == [message])
    }

    @Test(
        "listeners that do not conflict are valid",
        arguments: [
            ("':0'", "':0'"), ("'[::1]:80'", "'127.0.0.1:80'"), ("'[::1]:80'", "'0.0.0.0:80'"),
            ("'unix:/a'", "'unix:/b'"),
        ]
    )
    func compatibleListeners(first: String, second: String) {
        let text = """
            listeners: {a: {listen: \(first), pool: p}, b: {listen: \(second), pool: p}}
            pools: {p: {servers: ["10.0.0.1:1"]}}
            """
        #expect(messages(text) == [])
    }

    @Test("a name that is too long or has special characters is reported")
    func names() {
        let long = String(repeating: "x", count: 65)
        for name in ["a b", "", "-a", "ä", long] {
            let text =
                "listeners: {a: {listen: ':80', pool: p}}\npools: {p: {servers: ['h:1']}, \"\(name)\": {servers: ['h:1']}}\n"
            #expect(
                messages(text).contains { $0.contains(": must be at most 64 letters, digits, -, _ and .") },
                "\(name)"
            )
        }
    }

    // MARK: - Warnings

    @Test(
        "a setting without effect causes a warning",
        arguments: [
            (
                "queue: {limit: 5}\n",
                "6:12: warning: pools.p.queue: queue has no effect because no server in this pool sets max-connections: set it on a server, or remove queue"
            ),
            (
                "check: {type: tcp, timeout: 3s}\n",
                "6:33: warning: pools.p.check.timeout: timeout is longer than interval, so an unresponsive server is checked less often: shorten timeout"
            ),
            (
                "ejection: {consecutive-failures: off, failure-rate: off}\n",
                "6:15: warning: pools.p.ejection: consecutive-failures and failure-rate are both off, so no server is ever ejected: set ejection: off"
            ),
        ]
    )
    func warnings(text: String, message: String) {
        #expect(messages(file(pool: text)) == [message])
    }

    @Test(
        "a setting without effect causes a warning",
        arguments: [
            (
                "lifetime-jitter: 10%", "", "",
                [
                    "4:22: warning: listeners.a.lifetime-jitter: lifetime-jitter has no effect without lifetime: set lifetime, or remove lifetime-jitter"
                ]
            ),
            ("lifetime-jitter: 0%", "", "", []), ("lifetime-jitter: 10%\n    lifetime: 1h", "", "", []),
            (
                "limits-dry-run: true", "", "",
                [
                    "4:21: warning: listeners.a.limits-dry-run: limits-dry-run has no effect without a limit of connections or of a rate: set a limit, or remove limits-dry-run"
                ]
            ),
            ("limits-dry-run: false", "", "", []), ("limits-dry-run: true\n    rate: 1/s", "", "", []),
            (
                "limits: l", "limits: {l: {limits-dry-run: true}}", "",
                [
                    "8:30: warning: limits.l.limits-dry-run: limits-dry-run has no effect without a limit of connections or of a rate: set a limit, or remove limits-dry-run"
                ]
            ),
            ("limits: l", "limits: {l: {limits-dry-run: true, rate-per-client: 1/s}}", "", []),
            (
                "limits: l", "limits: {l: {rate: 1/s}, m: {rate: 1/s}}", "",
                ["8:26: warning: limits.m: no listener uses these limits: refer to them in a listener, or remove them"]
            ),
            (
                "backlog: 9", "", ", slow-start: 9s, policy: maglev",
                [
                    "7:44: warning: pools.p.slow-start: slow-start has no effect with policy maglev: choose another policy, or remove slow-start"
                ]
            ),
            (
                "backlog: 9", "", ", slow-start: 9s, policy: source-hash",
                [
                    "7:44: warning: pools.p.slow-start: slow-start has no effect with policy source-hash: choose another policy, or remove slow-start"
                ]
            ),
            (
                "backlog: 9", "", ", slow-start: 9s, policy: first",
                [
                    "7:44: warning: pools.p.slow-start: slow-start has no effect with policy first: choose another policy, or remove slow-start"
                ]
            ),
            ("backlog: 9", "", ", slow-start: off, policy: first", []),
            ("backlog: 9", "", ", slow-start: 9s, policy: fastest", []),
        ] as [(String, String, String, [String])]
    )
    func withoutEffect(listener: String, limits: String, pool: String, warnings: [String]) {
        let text = """
            listeners:
              a:
                listen: 127.0.0.1:1
                \(listener)
                pool: p
            pools:
              p: {servers: ["10.0.0.1:1"]\(pool)}
            \(limits)

            """
        #expect(messages(text) == warnings)
    }

    @Test("a connect timeout longer than the deadline causes a warning")
    func connectTimeout() {
        let text = """
            listeners: {a: {listen: ':80', pool: p, connect-timeout: 20s}}
            pools: {p: {servers: ["10.0.0.1:1"]}}
            """
        #expect(
            messages(text) == [
                "1:58: warning: listeners.a.connect-timeout: connect-timeout is longer than connect-deadline, which expires "
                    + "first: shorten connect-timeout"
            ]
        )
    }
}
