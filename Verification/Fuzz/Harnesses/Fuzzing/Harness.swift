import Glibc
import LibFuzzer

/// A function that processes one fuzzing input. It terminates the process on a failed check, which is how libFuzzer
/// detects a failure.
public struct Harness: Sendable {
    public let name: String
    let run: @Sendable ([UInt8]) -> Void

    public init(_ name: String, run: @escaping @Sendable ([UInt8]) -> Void) {
        self.name = name
        self.run = run
    }

    /// Creates a harness for a text parser. Bytes that are not valid UTF-8 are repaired in the way Swift repairs
    /// program arguments.
    public init(_ name: String, text: @escaping @Sendable (String) -> Void) {
        self.init(name) { bytes in text(String(decoding: bytes, as: UTF8.self)) }
    }

    /// The harness called by libFuzzer's callback, a C function without a context.
    nonisolated(unsafe) private static var chosen: Harness?

    /// Runs the harness named by the first argument. The remaining arguments are libFuzzer's: options and corpus
    /// folders.
    public static func main(_ harnesses: [Harness]) -> Never {
        let names = harnesses.map(\.name).joined(separator: ", ")
        guard CommandLine.arguments.count > 1,
            let harness = harnesses.first(where: { $0.name == CommandLine.arguments[1] })
        else { fatalError("no harness: write one of \(names) before libFuzzer's own arguments") }
        chosen = harness
        var count = CommandLine.argc
        var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
        // libFuzzer would take "addresses" for a corpus folder, so the name is removed from the arguments.
        arguments?[1] = arguments?[0]
        arguments = arguments.map { $0 + 1 }
        count -= 1
        let status = LLVMFuzzerRunDriver(&count, &arguments) { data, size in
            Harness.chosen?.run(Array(UnsafeBufferPointer(start: data, count: size)))
            return 0
        }
        exit(status)
    }
}
