import Glibc
import LibFuzzer

/// What is done with an input. It ends the process if something is wrong: that is how libFuzzer is told.
public struct Harness: Sendable {
    public let name: String
    let run: @Sendable ([UInt8]) -> Void

    public init(_ name: String, run: @escaping @Sendable ([UInt8]) -> Void) {
        self.name = name
        self.run = run
    }

    /// A harness for what reads text. Bytes that are not UTF-8 become what Swift makes of a program's arguments.
    public init(_ name: String, text: @escaping @Sendable (String) -> Void) {
        self.init(name) { bytes in text(String(decoding: bytes, as: UTF8.self)) }
    }

    /// The one that libFuzzer's callback, a C function without a context, calls.
    nonisolated(unsafe) private static var chosen: Harness?

    /// Runs the harness that the first argument names. What follows is libFuzzer's: options and folders of inputs.
    public static func main(_ harnesses: [Harness]) -> Never {
        let names = harnesses.map(\.name).joined(separator: ", ")
        guard CommandLine.arguments.count > 1,
            let harness = harnesses.first(where: { $0.name == CommandLine.arguments[1] })
        else { fatalError("name a harness, one of \(names), before libFuzzer's own arguments") }
        chosen = harness
        var count = CommandLine.argc
        var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
        // It takes "addresses" for a folder, unless the name is out of the way.
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
