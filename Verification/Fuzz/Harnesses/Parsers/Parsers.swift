import EchoServer
import Fuzzing
import Sockets

@testable import Arguments
@testable import LoadTester

@main
struct Parsers {
    static func main() {
        Harness.main([
            Harness("addresses", text: addresses), Harness("durations", text: durations),
            Harness("values", text: values),
            Harness("rates", text: rates), Harness("assertions", text: assertions), Harness("scripts", run: scripts),
        ])
    }

    /// Checks that a parsed value, written out and parsed again, is the same value, also in the kernel's form.
    @Sendable
    static func addresses(_ text: String) {
        do {
            let address = try ServiceAddress(parsing: text)
            precondition(
                (try? ServiceAddress(parsing: address.description)) == address,
                "the address changed when parsed again"
            )
            if case .socket(let socket) = address {
                precondition(RawAddress(socket).socketAddress == socket, "the address changed in the kernel's form")
            }
        } catch {
            precondition(!error.description.isEmpty)
        }
        if let host = InternetAddress(host: text, port: 1) {
            precondition(InternetAddress(host: host.host, port: 1) == host, "the host changed when parsed again")
        }
        explain { try Upstream(parsing: text) }
        explain { try ValueReader<[InternetAddress]>.hostAddresses.read(text) }
    }

    @Sendable
    static func durations(_ text: String) {
        if let value = explain({ try DurationValue(parsing: text) }) {
            precondition((.zero...DurationValue.maxDuration).contains(value.duration), "outside its range")
            precondition((try? DurationValue(parsing: value.description)) == value, "changed when parsed again")
        }
        explain {
            try ValueReader<Switchable<DurationValue>>.orOff(.wholeSeconds(.seconds(1)...(.seconds(9)))).read(text)
        }
        if let spread = explain({ try DelaySpread(parsing: text) }) { explain { try spread.distribution(around: nil) } }
        if let pattern = explain({ try StallPattern(parsing: text) }) {
            precondition(pattern.stall.length < pattern.stall.period)
        }
    }

    @Sendable
    static func values(_ text: String) {
        if let size = explain({ try ByteSizeValue(parsing: text, in: 0...(1 << 30)) }) {
            precondition((0...(1 << 30)).contains(size.bytes))
        }
        if let number = explain({ try ValueReader<Int>.wholeNumber(1...9999).read(text) }) {
            precondition((1...9999).contains(number))
        }
    }

    @Sendable
    static func rates(_ text: String) {
        guard let pace = explain({ try LoadPace(parsing: text) }), case .rate(let profile) = pace.pace else { return }
        precondition(profile.highestRate > 0 && profile.highestRate <= 1e9, "outside its range")
        precondition(!profile.description.isEmpty)
    }

    @Sendable
    static func assertions(_ text: String) {
        if let assertion = explain({ try LoadTest.Assertion(parsing: text) }) {
            precondition(assertion.bound >= 0, "not a number")
        }
    }

    /// Runs a script against a server: up to a zero byte the input is the script; the rest is the server's response, in
    /// chunks whose length is given by the first byte.
    @Sendable
    static func scripts(_ bytes: [UInt8]) {
        let text = bytes.prefix { $0 != 0 }
        var response = bytes.dropFirst(text.count + 1)
        guard let script = explain({ try LoadTest.Script(parsing: String(decoding: text, as: UTF8.self)) }) else {
            return
        }
        var workload = ScriptWorkload(script, thread: 0, of: 1, seed: 1)
        let length = Int(response.popFirst() ?? 0) + 1
        var exchange = workload.initial
        workload.begin(&exchange)
        while true {
            while case let outgoing = workload.outgoing(&exchange), !outgoing.isEmpty {
                workload.sent(min(length, outgoing.count), &exchange)
            }
            guard !response.isEmpty else { break }
            let reaction = response.prefix(length).withUnsafeBytes { workload.received($0, &exchange) }
            response = response.dropFirst(length)
            switch reaction {
            case .receives, .sends: break
            case .completes: workload.begin(&exchange)
            case .mismatches: return
            }
        }
        _ = workload.mayEnd(exchange)
    }

    /// Returns the parsed value, or nil on an error, whose message must not be empty.
    @discardableResult
    private static func explain<Value>(_ read: () throws -> Value) -> Value? {
        do {
            return try read()
        } catch {
            precondition(!"\(error)".isEmpty, "an error without a message")
            return nil
        }
    }
}
