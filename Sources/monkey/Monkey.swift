import ArgumentParser
import ServiceLifecycle
import UnixSignals

@main
struct Monkey: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "monkey")
}
