import ArgumentParser
import Glibc

/// The `monkey init` command: writes a commented configuration file to start from.
struct InitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Write a commented configuration file to start from.",
        discussion: """
            Never overwrites a file.

            Examples:
              monkey init postgres && monkey check monkey.yaml
              monkey init redis --output - | less
            """
    )

    @Argument(CommandLineSettings.service, .word(named: "service"))
    var service: SampleConfiguration = CommandLineSettings.service.defaultValue

    @Option(CommandLineSettings.output, short: "o", named: "file")
    var output: String

    func run() throws {
        let text = Array(service.text.utf8)
        if output == "-" { return try File.write(text, to: STDOUT_FILENO) }
        try File.create(text, at: output)
        print("Wrote \(output): change its addresses, then run: monkey check \(output) && monkey run \(output)")
    }
}
