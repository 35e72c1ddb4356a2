import Sockets
import Testing

@testable import LoadBalancer

@Suite("Environment variables in the configuration file")
struct EnvironmentTests {
    private static let environment = [
        "PORT": "5432", "EMPTY": "", "SWITCH": "off", "ANSWER": "true", "UID": "65534", "SHARE": "30%", "TIME": "90s",
        "TEXT": "a: [b] #${PORT} *c \"", "ADDRESS": "10.0.0.9:80", "CODE": "204",
    ]

    private func context(_ environment: [String: String] = environment) -> ConfigurationFile.Context {
        var context = ConfigurationFile.Context()
        context.environment = { environment[$0] }
        return context
    }

    private func read(_ text: String) throws -> ConfigurationFile {
        try ConfigurationFile(parsing: Array(text.utf8), in: context())
    }

    private func messages(_ text: String) -> [String] {
        do {
            return try ConfigurationFile(parsing: Array(text.utf8), in: context()).warningLines
        } catch {
            return error.lines
        }
    }

    private static let rest = """
        listeners: {a: {listen: "127.0.0.1:80", pool: p}}
        pools: {p: {servers: ["10.0.0.1:1"]}}

        """

    @Test(
        "references are replaced by values",
        arguments: [
            ("plain", "plain"), ("${PORT}", "5432"), ("a${PORT}b${PORT}", "a5432b5432"), ("${NONE:-x y}", "x y"),
            ("${EMPTY:-x}", "x"), ("${EMPTY}", ""), ("${PORT:-x}", "5432"), ("${NONE:-}", ""), ("$$", "$"),
            ("$${PORT}", "${PORT}"), ("$", "$"), ("$5 $x", "$5 $x"), ("$$$", "$$"), ("${NONE:-a:-b}", "a:-b"),
            ("a$", "a$"), ("${TEXT}", "a: [b] #${PORT} *c \""), ("\u{E9}${PORT}\u{E9}", "\u{E9}5432\u{E9}"),
        ]
    )
    func expansion(text: String, expected: String) throws {
        #expect(try EnvironmentReference.expand(text) { Self.environment[$0] }.text == expected)
    }

    @Test(
        "an invalid reference is an error that says how to write it",
        arguments: [
            ("${NONE}", "environment variable NONE is not set: set it, or write ${NONE:-default}"),
            ("${PORT", "${ without }: close the reference, or write $${ for the characters"),
            ("${}", "invalid environment variable ''"), ("${1A}", "invalid environment variable '1A'"),
            ("${A-B}", "invalid environment variable 'A-B'"), ("${A B}", "invalid environment variable 'A B'"),
            ("${NONE:-${PORT}}", "a reference in a reference"), ("${PORT:-a${NONE}}", "a reference in a reference"),
            ("${:-x}", "invalid environment variable ''"), ("${\u{E4}}", "invalid environment variable '\u{E4}'"),
        ]
    )
    func errors(text: String, message: String) {
        let error = #expect(throws: (any Error).self) {
            try EnvironmentReference.expand(text) { Self.environment[$0] }
        }
        #expect(error.map { "\($0)".hasPrefix(message) } == true, "\(String(describing: error))")
    }

    @Test("values of all kinds can be references, with and without quotes")
    func kinds() throws {
        let file = try read(
            """
            threads: ${CODE:-4}
            max-connections: "${PORT}"
            user: ${UID}
            group: "${UID}"
            events: "${ANSWER}"
            summary: ${TIME}
            admin: ${SWITCH}
            listeners: {a: {listen: "127.0.0.1:${PORT}", pool: "${NONE:-p}"}}
            pools:
              p:
                servers: ["${ADDRESS}", {address: "10.0.0.1:1", weight: "${NONE:-7}"}]
                check: {type: http, status: "${CODE}"}
                ejection: {failure-rate: "${SHARE}"}
            """
            .replacing("${CODE:-4}", with: "${NONE:-4}")
        )
        #expect(file.threads == 4)
        #expect(file.maxConnections == 5432)
        #expect(file.user == "65534" && file.group == "65534")
        #expect(file.events)
        #expect(file.summary == .every(.seconds(90)))
        #expect(file.admin == nil)
        #expect(file.listeners[0].listen.port == 5432)
        #expect(file.pools[0].servers.map(\.name) == ["10.0.0.9:80", "10.0.0.1:1"])
        #expect(file.pools[0].servers[1].weight == 7)
        #expect(file.pools[0].check?.status == [204...204])
        #expect(file.pools[0].ejection?.failureRate == 30)
    }

    @Test("an unset variable is an error at its value")
    func unset() {
        #expect(
            messages("threads: 1\naccess-log: /var/${NONE}/log\n" + Self.rest) == [
                "2:13: error: access-log: environment variable NONE is not set: set it, or write ${NONE:-default}"
            ]
        )
    }

    @Test("a value is text, whatever it contains: it adds no keys, and is not expanded again")
    func noInjection() throws {
        #expect(try read("access-log: ${TEXT}\n" + Self.rest).accessLog == "a: [b] #${PORT} *c \"")
    }

    @Test("a reference without quotes in a list is a syntax error with a hint")
    func syntax() {
        let messages = messages("listeners: {a: {listen: ${ADDRESS}, pool: p}}\n")
        #expect(
            messages.first?.hasSuffix("write a value with ${ in quotes, such as \"${NAME}\"") == true,
            "\(messages)"
        )
    }

    @Test("keys are not expanded")
    func keys() {
        #expect(messages("${PORT}: 1\n" + Self.rest).first?.contains("unknown key") == true)
    }

    @Test("the size of all expanded values is limited")
    func size() {
        let long = String(repeating: "x", count: 4000)
        let values = (0..<300).map { "  n\($0): {listen: '127.0.0.1:\($0 + 1)', pool: \"${LONG}\"}\n" }.joined()
        let context = context(["LONG": long])
        let error = #expect(throws: ConfigurationError.self) {
            try ConfigurationFile(
                parsing: Array("listeners:\n\(values)pools: {p: {servers: ['10.0.0.1:1']}}\n".utf8),
                in: context
            )
        }
        #expect(error?.lines.contains { $0.contains("environment variables expand to more than") } == true)
    }
}
