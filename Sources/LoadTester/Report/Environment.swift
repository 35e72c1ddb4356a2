import Glibc
import ProcessSupport
import ValueFormats

extension LoadTest.Report {
    /// When, where and how a test was run.
    public struct Environment: Sendable, Hashable, Codable {
        /// Start of the run (RFC 3339, UTC).
        public var started: String
        /// The command line, quoted for a shell; nil if the library was used directly.
        public var commandLine: String?
        /// Name of the machine that generated the load.
        public var host: String
        /// Name and release of its kernel.
        public var kernel: String
        /// Number of processors that the load tester could use.
        public var processors: Int

        /// Reads the environment of this process.
        public init() {
            var system = utsname()
            uname(&system)
            started = Timestamp.now.description
            host = Self.text(system.nodename)
            kernel = "\(Self.text(system.sysname)) \(Self.text(system.release))"
            processors = Processors.available
        }

        private static func text<Characters>(_ characters: Characters) -> String {
            withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        }

        /// Where and when, in one line.
        var summary: String {
            "\(started) on \(host), \(kernel), \(processors) processor\(processors == 1 ? "" : "s")"
        }

        /// Sets the command line from its words.
        public mutating func setCommandLine(_ words: [String]) {
            commandLine = words.map(Self.quoted).joined(separator: " ")
        }

        /// Quotes a word for a POSIX shell, if it needs quotes.
        private static func quoted(_ word: String) -> String {
            let plain = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:,=@%+[]")
            if !word.isEmpty, word.allSatisfy(plain.contains) { return word }
            return "'\(word.replacing("'", with: "'\\''"))'"
        }
    }
}
