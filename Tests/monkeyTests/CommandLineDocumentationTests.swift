import ArgumentParser
import Foundation
import Testing

@testable import monkey

/// Checks docs/command-line.md against the help of the commands, and against docs/configuration.md.
@Suite struct CommandLineDocumentationTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "docs")

    private static func lines(_ document: String) throws -> [String] {
        try String(contentsOf: folder.appending(path: document), encoding: .utf8).components(separatedBy: "\n")
    }

    /// Returns the rows of the first table below a heading, as cells.
    private static func table(under heading: String, in lines: [String]) -> [[String]] {
        let section = lines.drop { $0 != heading }.dropFirst().prefix { !$0.hasPrefix("#") }
        return section.drop { !$0.hasPrefix("|") }.prefix { $0.hasPrefix("|") }.dropFirst(2).map { row in
            row.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
        }
    }

    @Test(
        "each option is documented with the description, values and default of its help",
        arguments: [
            ("proxy", "Connections"), ("proxy", "Clients"), ("proxy", "TLS"), ("proxy", "Timeouts"),
            ("proxy", "Shutdown"),
            ("proxy", "Process"), ("proxy", "Metrics"), ("proxy", "Access log"), ("proxy", "Logging"),
            ("balance", "Balancing"), ("balance", "Control"), ("balance", "Connections"), ("balance", "Clients"),
            ("balance", "Timeouts"), ("balance", "Shutdown"), ("balance", "Process"), ("balance", "Metrics"),
            ("balance", "Access log"), ("balance", "Logging"), ("echo", "Behavior"), ("load", "Workload"),
            ("load", "Load"),
            ("load", "TLS with the target"), ("load", "Timing"), ("load", "Results"),
        ]
    )
    func options(command: String, section: String) throws {
        let options = try HelpDump(of: command).arguments.filter { $0.sectionTitle == section }
        try #require(!options.isEmpty)
        let documented = Self.table(under: "### \(section)", in: try Self.lines("command-line.md")).map { cells in
            cells.map { $0.replacing("`", with: "") }
        }
        #expect(documented == options.map(\.cells))
    }

    /// The options whose keys have other names, by the key's table and name.
    private static let options = [
        "a check": ["`interval`": "`check-interval`", "`timeout`": "`check-timeout`", "`port`": "`check-port`"],
        "a queue": ["`limit`": "`queue`", "`timeout`": "`queue-timeout`"],
    ]

    @Test("an option and its key have the same description, values and default")
    func keys() throws {
        let reference = try Self.lines("configuration.md")
        var keys: [String: [String]] = [:]
        for group in ["the file", "a listener", "a pool", "a check", "a queue"] {
            // Keys that are mappings have another format than their options; a later table may repeat a name.
            for key in Self.table(under: "## Keys of \(group)", in: reference) where key[1] != "mapping" {
                let option = Self.options[group]?[key[0]] ?? key[0]
                if keys[option] == nil { keys[option] = key }
            }
        }
        let commandLine = try Self.lines("command-line.md")
        var compared = 0
        for section in Set(try HelpDump(of: "balance").arguments.compactMap(\.sectionTitle)) {
            // Flags have no values.
            for option in Self.table(under: "### \(section)", in: commandLine) where option[2] != "no value" {
                guard let key = keys[option[0].replacing("`--", with: "`")] else { continue }
                compared += 1
                let help = option[3].replacing(" Can be repeated.", with: "")
                #expect([option[2], option[1], help] == Array(key[2...4]), "\(option[0])")
            }
        }
        #expect(compared >= 40)
    }
}

/// The help of a command as data.
private struct HelpDump {
    let arguments: [Argument]

    struct Argument: Decodable {
        let kind: String
        let sectionTitle: String?
        let names: [Name]?
        let abstract: String?
        let defaultValue: String?
        /// Whether there is also a flag that negates it; not part of the dump.
        var isPair: Bool?

        struct Name: Decodable { let name: String }

        /// The cells of its row in the documentation: names, default, allowed values, description.
        var cells: [String] {
            // The alias of --admin is not documented here.
            let name = names?.map(\.name).first { $0 != "metrics" } ?? ""
            let abstract = abstract ?? ""
            if kind == "flag" {
                // One of several flags, such as --echo, is the default of all of them.
                if let defaultValue, isPair != true, defaultValue == "--\(name)" {
                    return ["--\(name)", "given", "no value", abstract]
                }
                // Only a pair of flags has a default.
                let title = defaultValue == nil ? "--\(name)" : "--\(name), --no-\(name)"
                return [title, defaultValue ?? "not given", "no value", abstract]
            }
            guard let match = abstract.wholeMatch(of: /(.*) \((.*); default: (.*)\)/) else { return [name, abstract] }
            return ["--\(name)", String(match.3), String(match.2), String(match.1)]
        }
    }

    private struct Tool: Decodable {
        let command: Command

        struct Command: Decodable {
            let commandName: String
            let subcommands: [Command]?
            let arguments: [Argument]?
        }
    }

    /// The dump of all commands, which takes a debug build a fifth of a second.
    private static let tool = Result { try JSONDecoder().decode(Tool.self, from: Data(Monkey._dumpHelp().utf8)) }

    init(of name: String) throws {
        let tool = try Self.tool.get()
        let command = try #require(tool.command.subcommands?.first { $0.commandName == name })
        let all = command.arguments ?? []
        let names = Set(all.flatMap { $0.names ?? [] }.map(\.name))
        arguments = all.filter { argument in
            argument.names.map { names in !names.contains { $0.name.hasPrefix("no-") } } ?? false
        }
        .map { argument in
            var argument = argument
            argument.isPair = argument.names?.contains { names.contains("no-\($0.name)") }
            return argument
        }
    }
}
