import ArgumentParser
import Balancing
import Foundation
import LoadBalancer
import Sockets
import Testing

@testable import monkey

@Suite("monkey balance")
struct BalanceCommandTests {
    private func parsed(_ line: some StringProtocol) throws -> BalanceCommand {
        let words = String(line).split(separator: Character(" ")).map { String($0) }
        #expect(words.prefix(2) == ["monkey", "balance"])
        return try BalanceCommand.parse(Array(words.dropFirst(2)))
    }

    @Test("the examples of the documentation and the help are valid")
    func examples() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../..")
        let page = try String(contentsOf: root.appendingPathComponent("docs/balancing.md"), encoding: .utf8)
        let help = BalanceCommand.configuration.discussion
        let lines = (page + "\n" + help).split(separator: "\n").compactMap { line -> Substring? in
            let line = line.drop { $0 == " " || $0 == "$" }
            return line.hasPrefix("monkey balance ") && !line.contains("[") ? line : nil
        }
        #expect(lines.count >= 4)
        for line in lines { #expect(throws: Never.self, "\(line)") { _ = try parsed(line) } }
    }

    @Test("the settings of a server apply to it alone")
    func serverSettings() throws {
        let command = try parsed("monkey balance :0 10.0.0.1:80,weight=3,max=7,name=a db:81,backup --policy maglev")
        let entries = command.servers.map(\.entry)
        #expect(entries.map(\.name) == ["a", "db:81"])
        #expect(entries.map(\.weight) == [3, 1])
        #expect(entries.map(\.maxConnections) == [7, nil])
        #expect(entries.map(\.backup) == [false, true])
        #expect(command.balancing.policy == .maglev)
    }

    @Test(
        "what the configuration file rejects is rejected",
        arguments: [
            ("10.0.0.1:80 10.0.0.1:80", "duplicate server 10.0.0.1:80, first defined as argument 1 of the servers"),
            ("10.0.0.1:80,name=a 10.0.0.2:80 10.0.0.3:80,name=a", "duplicate server name a, first used as argument 1"),
            ("10.0.0.1:80 10.0.0.2:80,name=10.0.0.1:80", "invalid name '10.0.0.1:80'"),
            ("10.0.0.1:80,weight=0 10.0.0.2:80,weight=0", "every server has weight 0"),
            ("10.0.0.1:80,weight=0", "every server has weight 0"),
            ("10.0.0.1:80,backup 10.0.0.2:80,backup", "every server is a backup"),
            ("10.0.0.1:80,name=a/b", "invalid name 'a/b'"), ("10.0.0.1:80,name=-a", "invalid name '-a'"),
            ("10.0.0.1:80 --check-port 81", "--check-port has no effect without --check"),
            ("10.0.0.1:80 --check-tls on", "--check-tls has no effect without --check"),
            ("10.0.0.1:80 --check-interval 1s", "--check-interval has no effect without --check"),
            ("10.0.0.1:80 --check-timeout 1s", "--check-timeout has no effect without --check"),
            ("10.0.0.1:80 --rise 1", "--rise has no effect without --check"),
            ("10.0.0.1:80 --check off --fall 1", "--fall has no effect without --check"),
            ("10.0.0.1:80 --admin 127.0.0.1:5000", "127.0.0.1:5000 is already used by --admin"),
            ("10.0.0.1:80 --admin :5000", "conflicts with [::]:5000 of --admin"),
            ((1...1025).map { "10.0.0.1:\($0)" }.joined(separator: " "), "too many servers: 1025, at most 1024"),
            (
                (1...65).map { _ in "--source 127.0.0.1 " }.joined() + "10.0.0.1:80",
                "too many addresses in --source: 65"
            ),
        ]
    )
    func rules(arguments: String, message: String) {
        let error = #expect(throws: (any Error).self) { try parsed("monkey balance 127.0.0.1:5000 \(arguments)") }
        let text = error.map { Monkey.message(for: $0) } ?? ""
        #expect(text.contains(message), "\(text)")
    }

    @Test(
        "an option without effect causes the warning of the configuration file",
        arguments: [
            ("--lifetime-jitter 10%", "lifetime-jitter has no effect"), ("--lifetime-jitter 10% --lifetime 1h", nil),
            ("--limits-dry-run", "limits-dry-run has no effect"), ("--limits-dry-run --rate 1/s", nil),
            ("--slow-start 9s --policy maglev", "slow-start has no effect"), ("--slow-start 9s", nil),
        ] as [(String, String?)]
    )
    func warnings(options: String, warning: String?) throws {
        let command = try parsed("monkey balance :0 10.0.0.1:80 \(options)")
        let warnings = command.warnings + command.serving.ruleWarnings
        #expect(warnings.count == (warning == nil ? 0 : 1))
        if let warning { #expect(warnings.first?.hasPrefix(warning) == true, "\(warnings)") }
    }

    @Test("the timeout of a check without one is at most its interval")
    func checkTimeout() throws {
        let check = { (options: String) in
            try parsed("monkey balance :0 10.0.0.1:80 --check tcp \(options)").balancing.settings.check
        }
        #expect(try check("")?.timeout == .seconds(1))
        #expect(try check("--check-interval 200ms")?.timeout == .milliseconds(200))
        #expect(try check("--check-interval 200ms --check-timeout 3s")?.timeout == .seconds(3))
    }

    @Test("the options of the health check set its configuration")
    func healthCheck() throws {
        let command = try parsed(
            "monkey balance :0 10.0.0.1:80 --check http:/up --check-interval 5s --rise 4 --on-server-down close"
        )
        let settings = command.balancing.settings
        #expect(settings.check?.interval == .seconds(5))
        #expect(settings.check?.rise == 4)
        #expect(settings.onServerDown == .close)
        #expect(try parsed("monkey balance :0 10.0.0.1:80").balancing.settings.check == nil)
    }
}
