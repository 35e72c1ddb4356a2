import Glibc
import Randomness
import Sockets

/// The exchange that a script defines.
///
/// The script is laid out once in plain memory, so that running it does not allocate.
struct ScriptWorkload: Workload, ~Copyable {
    struct Exchange: BitwiseCopyable, Sendable {
        var number: UInt64 = 0
        var random: UInt64 = 0
        /// Index of the current turn; number of bytes sent of its `toSend` bytes; index of the next expected step, and
        /// number of bytes matched of it.
        var turn = 0
        var sent = 0
        var toSend = 0
        var expectation = 0
        var matched = 0
    }

    /// One step of the script; texts are ranges of `texts`.
    private enum Step: BitwiseCopyable {
        case text(start: Int, count: Int)
        case sequence
        case random(below: UInt64)
        case anything(start: Int, count: Int)
        case bytes(count: Int)
    }

    private struct Turn: BitwiseCopyable {
        var sends: (start: Int, end: Int)
        var expects: (start: Int, end: Int)
    }

    private let steps: UnsafeMutableBufferPointer<Step>
    private let turns: UnsafeMutableBufferPointer<Turn>
    private let texts: UnsafeMutableRawBufferPointer
    /// The failure function of each text that ends an `anything`: for each byte, the length of the prefix that still
    /// matches if the next byte differs (Knuth, Morris and Pratt, "Fast Pattern Matching in Strings", 1977).
    private let fallbacks: UnsafeMutableBufferPointer<Int>
    /// Buffer for composing the bytes of a turn; as large as the longest turn.
    private let scratch: UnsafeMutableRawBufferPointer
    private var nextNumber: UInt64
    private let numberStride: UInt64
    private var random: SplitMix64

    /// - Parameters:
    ///   - thread: index of the thread, one of `threads`; different threads use different sequence numbers.
    ///   - seed: seed of the numbers that `${random:N}` draws.
    init(_ script: LoadTest.Script, thread: Int, of threads: Int, seed: UInt64) {
        var layout = Layout()
        for turn in script.turns { layout.add(turn) }
        steps = .allocate(capacity: layout.steps.count)
        _ = steps.initialize(from: layout.steps)
        turns = .allocate(capacity: layout.turns.count)
        _ = turns.initialize(from: layout.turns)
        texts = .allocate(byteCount: max(1, layout.texts.count), alignment: 16)
        texts.copyBytes(from: layout.texts)
        fallbacks = .allocate(capacity: max(1, layout.fallbacks.count))
        _ = fallbacks.initialize(from: layout.fallbacks)
        scratch = .allocate(byteCount: layout.maxTurnLength, alignment: 16)
        nextNumber = UInt64(thread)
        numberStride = UInt64(threads)
        random = SplitMix64(seed: seed &+ UInt64(thread))
    }

    deinit {
        steps.deallocate()
        turns.deallocate()
        texts.deallocate()
        fallbacks.deallocate()
        scratch.deallocate()
    }

    static var isStream: Bool { false }

    var isEmpty: Bool { false }

    var initial: Exchange { Exchange() }

    mutating func begin(_ exchange: inout Exchange) {
        exchange = Exchange(number: nextNumber, random: random.next())
        nextNumber &+= numberStride
        enter(0, &exchange)
    }

    mutating func outgoing(_ exchange: inout Exchange) -> UnsafeRawBufferPointer {
        guard exchange.sent < exchange.toSend else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        // Composed again, since another connection may have used the buffer.
        compose(exchange)
        return UnsafeRawBufferPointer(rebasing: scratch[exchange.sent..<exchange.toSend])
    }

    mutating func sent(_ count: Int, _ exchange: inout Exchange) {
        exchange.sent += count
    }

    mutating func received(_ bytes: UnsafeRawBufferPointer, _ exchange: inout Exchange) -> Reaction {
        // The request has not been sent completely, so no response is expected.
        guard exchange.sent == exchange.toSend else { return .mismatches }
        var rest = bytes
        let end = turns[exchange.turn].expects.end
        while exchange.expectation < end {
            guard !rest.isEmpty else { return .receives }
            guard let taken = match(rest, &exchange) else { return .mismatches }
            rest = UnsafeRawBufferPointer(rebasing: rest[taken...])
        }
        // More bytes than expected.
        guard rest.isEmpty else { return .mismatches }
        guard exchange.turn + 1 < turns.count else { return .completes }
        enter(exchange.turn + 1, &exchange)
        return .sends
    }

    func mayEnd(_ exchange: Exchange) -> Bool { false }

    mutating func finish(_ exchange: inout Exchange) -> Bool { false }
}

// MARK: - Sending

extension ScriptWorkload {
    private mutating func enter(_ turn: Int, _ exchange: inout Exchange) {
        exchange.turn = turn
        exchange.sent = 0
        exchange.expectation = turns[turn].expects.start
        exchange.matched = 0
        exchange.toSend = compose(exchange)
    }

    /// Composes the bytes that a turn sends.
    @discardableResult
    private func compose(_ exchange: Exchange) -> Int {
        let sends = turns[exchange.turn].sends
        var length = 0
        for index in sends.start..<sends.end {
            length += write(steps[index], of: exchange, to: UnsafeMutableRawBufferPointer(rebasing: scratch[length...]))
        }
        return length
    }

    private func write(_ step: Step, of exchange: Exchange, to buffer: UnsafeMutableRawBufferPointer) -> Int {
        switch step {
        case .text(let start, let count):
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: texts[start..<start + count]))
            return count
        case .sequence: return Self.writeDigits(exchange.number, to: buffer)
        case .random(let limit): return Self.writeDigits(Self.draw(limit, exchange), to: buffer)
        case .anything, .bytes: return 0
        }
    }

    /// Draws a number; the same for the same limit within one exchange.
    private static func draw(_ limit: UInt64, _ exchange: Exchange) -> UInt64 {
        var generator = SplitMix64(seed: exchange.random ^ limit)
        return generator.next(upperBound: limit)
    }

    /// Maximum number of digits of a number.
    fileprivate static var maxNumberLength: Int { 20 }

    private static func writeDigits(_ number: UInt64, to buffer: UnsafeMutableRawBufferPointer) -> Int {
        var count = 1
        var rest = number
        while rest >= 10 {
            rest /= 10
            count += 1
        }
        rest = number
        for index in (0..<count).reversed() {
            buffer[index] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        }
        return count
    }
}

// MARK: - Expecting

extension ScriptWorkload {
    /// Matches bytes, at least 1, against the next expected step.
    ///
    /// - Returns: the number of bytes consumed; nil if they differ.
    private func match(_ bytes: UnsafeRawBufferPointer, _ exchange: inout Exchange) -> Int? {
        switch steps[exchange.expectation] {
        case .text(let start, let count):
            return match(bytes, with: UnsafeRawBufferPointer(rebasing: texts[start..<start + count]), &exchange)
        case .sequence, .random:
            return withUnsafeTemporaryAllocation(byteCount: Self.maxNumberLength, alignment: 1) { digits in
                let count = write(steps[exchange.expectation], of: exchange, to: digits)
                return match(bytes, with: UnsafeRawBufferPointer(rebasing: digits[..<count]), &exchange)
            }
        case .bytes(let count):
            let taken = min(bytes.count, count - exchange.matched)
            advance(taken, of: count, &exchange)
            return taken
        case .anything(let start, let count):
            return search(bytes, start: start, count: count, &exchange)
        }
    }

    private func match(
        _ bytes: UnsafeRawBufferPointer,
        with expected: UnsafeRawBufferPointer,
        _ exchange: inout Exchange
    ) -> Int? {
        let count = min(bytes.count, expected.count - exchange.matched)
        guard let left = bytes.baseAddress, let right = expected.baseAddress,
            memcmp(left, right + exchange.matched, count) == 0
        else { return nil }
        advance(count, of: expected.count, &exchange)
        return count
    }

    /// Consumes bytes until the terminating text is complete.
    private func search(_ bytes: UnsafeRawBufferPointer, start: Int, count: Int, _ exchange: inout Exchange) -> Int {
        var matched = exchange.matched
        var taken = 0
        for byte in bytes {
            taken += 1
            while matched > 0, texts[start + matched] != byte { matched = fallbacks[start + matched - 1] }
            if texts[start + matched] == byte { matched += 1 }
            if matched == count { break }
        }
        exchange.matched = matched
        advance(0, of: count, &exchange)
        return taken
    }

    private func advance(_ taken: Int, of count: Int, _ exchange: inout Exchange) {
        exchange.matched += taken
        guard exchange.matched == count else { return }
        exchange.expectation += 1
        exchange.matched = 0
    }
}

// MARK: - Layout

extension ScriptWorkload {
    /// A script that is being laid out in plain memory.
    private struct Layout {
        var steps: [Step] = []
        var turns: [Turn] = []
        var texts: [UInt8] = []
        var fallbacks: [Int] = []
        var maxTurnLength = 1

        mutating func add(_ turn: LoadTest.Script.Turn) {
            let start = steps.count
            for part in turn.sends { add(part) }
            let middle = steps.count
            for part in turn.expects { add(part) }
            turns.append(Turn(sends: (start, middle), expects: (middle, steps.count)))
            let length = steps[start..<middle].reduce(0) { length, step in
                if case .text(_, let count) = step { length + count } else { length + ScriptWorkload.maxNumberLength }
            }
            maxTurnLength = max(maxTurnLength, length)
        }

        private mutating func add(_ part: LoadTest.Script.Part) {
            switch part {
            case .text(let text): steps.append(.text(start: add(text), count: text.count))
            case .sequence: steps.append(.sequence)
            case .random(let limit): steps.append(.random(below: limit))
            case .anything(let text): steps.append(.anything(start: add(text), count: text.count))
            case .bytes(let count): steps.append(.bytes(count: count))
            }
        }

        private mutating func add(_ text: [UInt8]) -> Int {
            let start = texts.count
            texts += text
            var matched = 0
            for (index, byte) in text.enumerated() {
                if index > 0 {
                    while matched > 0, text[matched] != byte { matched = fallbacks[start + matched - 1] }
                    if text[matched] == byte { matched += 1 }
                }
                fallbacks.append(matched)
            }
            return start
        }
    }
}
