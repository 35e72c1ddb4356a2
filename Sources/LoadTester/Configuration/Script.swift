extension LoadTest {
    /// What to send and to expect, repeatedly on each connection: one pass is one exchange.
    ///
    /// ```
    /// # Redis: set a key, and get it back
    /// send SET key:${random:1000} ${seq}\r\n
    /// expect +OK\r\n
    /// send GET key:${random:1000}\r\n
    /// expect $${any}\r\n${seq}\r\n
    /// ```
    ///
    /// A line is `send` or `expect`, a space, and the bytes: everything up to the end of the line. `\r`, `\n`, `\t`,
    /// `\0`,
    /// `\\`, `\$` and `\xHH` are escapes for single bytes. Empty lines and lines that start with `#` are ignored.
    ///
    /// `${seq}` is the sequence number of the exchange; `${random:N}` is an integer from 0 to N - 1, the same wherever
    /// the same N is used within one exchange. In expected bytes, `${any}` matches any bytes up to and including the
    /// text that follows it, and `${bytes:N}` matches exactly N arbitrary bytes.
    public struct Script: Sendable, Hashable {
        /// A part of the bytes sent or expected.
        enum Part: Sendable, Hashable {
            case text([UInt8])
            case sequence
            case random(below: UInt64)
            /// Any bytes up to and including this text.
            case anything(upTo: [UInt8])
            case bytes(count: Int)
        }

        /// The bytes to send, then the bytes to expect before sending more.
        struct Turn: Sendable, Hashable {
            var sends: [Part] = []
            var expects: [Part] = []
        }

        private(set) var turns: [Turn] = []

        /// Parses a script.
        ///
        /// - Throws: ``SyntaxError``, which contains the line number and describes the correct syntax.
        public init(parsing text: String) throws(SyntaxError) {
            var number = 0
            for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
                number += 1
                do throws(SyntaxError) {
                    try add(line)
                } catch {
                    throw SyntaxError("line \(number): \(error)")
                }
            }
            guard let last = turns.last else {
                throw SyntaxError("it has no send or expect line: write lines such as send PING\\r\\n")
            }
            guard !last.expects.isEmpty else {
                throw SyntaxError(
                    "it must end with an expect line: an exchange is complete when its response has arrived"
                )
            }
            for index in turns.indices {
                turns[index].expects = try ScriptText.bounded(turns[index].expects)
            }
        }

        private mutating func add(_ line: Substring) throws(SyntaxError) {
            guard !line.trimmed.isEmpty, line.trimmed.first != "#" else { return }
            let words = line.drop { $0.isWhitespace }.split(
                separator: " ",
                maxSplits: 1,
                omittingEmptySubsequences: false
            )
            let parts = try ScriptText.parts(of: words.count > 1 ? words[1] : "")
            guard !parts.isEmpty || words[0] != "send" && words[0] != "expect" else {
                throw SyntaxError("\(words[0]) is empty: write the bytes after it")
            }
            switch words[0] {
            case "send":
                guard !parts.contains(where: \.isPattern) else {
                    throw SyntaxError("${any} and ${bytes:N} are valid only in an expect line")
                }
                if turns.last?.expects.isEmpty != true { turns.append(Turn()) }
                turns[turns.count - 1].sends += parts
            case "expect":
                if turns.isEmpty { turns.append(Turn()) }
                turns[turns.count - 1].expects += parts
            default:
                throw SyntaxError("unknown command '\(words[0])': write send or expect")
            }
        }
    }
}

extension LoadTest.Script.Part {
    fileprivate var isPattern: Bool {
        switch self {
        case .anything, .bytes: true
        case .text, .sequence, .random: false
        }
    }
}

/// Parser of the text of a line.
private enum ScriptText {
    static func parts(of text: Substring) throws(LoadTest.SyntaxError) -> [LoadTest.Script.Part] {
        var parts: [LoadTest.Script.Part] = []
        var literal: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "\\"):
                try literal.append(escaped(&rest))
            case UInt8(ascii: "$") where rest.first == UInt8(ascii: "{"):
                if !literal.isEmpty { parts.append(.text(literal)) }
                literal = []
                try parts.append(fillIn(&rest))
            default:
                literal.append(byte)
            }
        }
        return literal.isEmpty ? parts : parts + [.text(literal)]
    }

    private static func escaped(_ rest: inout Substring.UTF8View.SubSequence) throws(LoadTest.SyntaxError) -> UInt8 {
        switch rest.popFirst() {
        case UInt8(ascii: "r"): return 13
        case UInt8(ascii: "n"): return 10
        case UInt8(ascii: "t"): return 9
        case UInt8(ascii: "0"): return 0
        case UInt8(ascii: "\\"): return UInt8(ascii: "\\")
        case UInt8(ascii: "$"): return UInt8(ascii: "$")
        case UInt8(ascii: "x"):
            let digits = rest.prefix(2)
            rest = rest.dropFirst(digits.count)
            guard digits.count == 2, let text = String(digits), let byte = UInt8(text, radix: 16) else {
                throw LoadTest.SyntaxError("\\x needs two hexadecimal digits, such as \\x0d")
            }
            return byte
        default:
            throw LoadTest.SyntaxError("a backslash must be followed by r, n, t, 0, x, $ or another backslash")
        }
    }

    /// Parses `{name}` or `{name:number}`.
    private static func fillIn(_ rest: inout Substring.UTF8View.SubSequence) throws(LoadTest.SyntaxError)
        -> LoadTest.Script.Part
    {
        let body = rest.dropFirst().prefix { $0 != UInt8(ascii: "}") }
        rest = rest.dropFirst(body.count + 1)
        guard rest.popFirst() != nil, let text = String(body) else {
            throw LoadTest.SyntaxError("${ without a closing }")
        }
        let words = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let number = words.count > 1 ? UInt64(words[1]) : nil
        switch (words.first, number) {
        case ("seq", nil) where words.count == 1: return .sequence
        case ("any", nil) where words.count == 1: return .anything(upTo: [])
        case ("random", .some(let limit)) where limit > 0: return .random(below: limit)
        case ("bytes", .some(let count)) where (1...(1 << 30)).contains(count): return .bytes(count: Int(count))
        default:
            throw LoadTest.SyntaxError(
                "invalid placeholder '${\(text)}': write ${seq}, ${any}, ${random:N} or ${bytes:N}, N > 0"
            )
        }
    }

    /// Assigns each `${any}` the text that ends it, and joins adjacent texts.
    static func bounded(_ parts: [LoadTest.Script.Part]) throws(LoadTest.SyntaxError) -> [LoadTest.Script.Part] {
        var bounded: [LoadTest.Script.Part] = []
        for part in parts {
            switch (bounded.last, part) {
            case (.anything(upTo: []), .text(let text)): bounded[bounded.count - 1] = .anything(upTo: text)
            case (.anything(upTo: []), _): throw LoadTest.SyntaxError("${any} must be followed by a text that ends it")
            case (.text(let before), .text(let text)): bounded[bounded.count - 1] = .text(before + text)
            default: bounded.append(part)
            }
        }
        guard bounded.last != .anything(upTo: []) else {
            throw LoadTest.SyntaxError("${any} must be followed by a text that ends it")
        }
        return bounded
    }
}
