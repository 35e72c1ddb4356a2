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
        return try #require(Monkey.parseAsRoot(Array(words.dropFirst())) as? BalanceCommand)
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
