import Logging
import ValueFormats
import Testing

@testable import monkey

@Suite("Log line")
struct LogLineTests {
    private func line(_ message: String, metadata: Logger.Metadata = [:]) -> LogLine {
        LogLine(
            time: Timestamp(seconds: 1_769_903_999, milliseconds: 9),
            level: .warning,
            label: "admin",
            message: message,
            metadata: metadata
        )
    }

    @Test("a text line contains time, level, label, message and metadata")
    func text() {
        #expect(line("slow").text == "2026-01-31T23:59:59.009Z warning admin: slow")
        #expect(
            line("slow", metadata: ["b": "2", "a": .stringConvertible(1)]).text
                == "2026-01-31T23:59:59.009Z warning admin: slow a=1 b=2"
        )
    }

    @Test("a bare line contains only the message")
    func bare() {
        #expect(line("[METRICS] ↑", metadata: ["a": "1"]).bare == "[METRICS] ↑")
    }

    @Test("line breaks and control characters are escaped")
    func escaping() {
        #expect(line("a\nb\u{1B}[31m", metadata: ["k": "\r\n"]).text.hasSuffix(#"admin: a\nb\u{1B}[31m k=\r\n"#))
        #expect(line("a\nb").bare == #"a\nb"#)
        #expect(!line("a\nb", metadata: ["k": "\r\n"]).json.contains { $0.isNewline })
    }

    @Test("a JSON line is an object")
    func json() {
        #expect(
            line("slow").json
                == #"{"time":"2026-01-31T23:59:59.009Z","level":"warning","label":"admin","message":"slow"}"#
        )
        let metadata: Logger.Metadata = [
            "number": .stringConvertible(7), "list": ["x", "y"], "nested": ["b": "2", "a": "1"], "other": "7",
        ]
        #expect(
            line("", metadata: metadata).json
                == #"{"time":"2026-01-31T23:59:59.009Z","level":"warning","label":"admin","message":"","metadata":"#
                + #"{"list":["x","y"],"nested":{"a":"1","b":"2"},"number":7,"other":"7"}}"#
        )
    }

    @Test(
        "JSON strings are escaped",
        arguments: [
            ("plain ↑ é", #""plain ↑ é""#), (#"a"b\c"#, #""a\"b\\c""#), ("\n\r\t", #""\n\r\t""#),
            ("\0\u{1F}", #""\u0000\u001f""#),
            ("\r\n", #""\r\n""#), ("\u{7F}", "\"\u{7F}\""),
        ]
    )
    func jsonStrings(text: String, expected: String) {
        #expect(JSON.string(text) == expected)
    }

    @Test(
        "the time is UTC",
        arguments: [
            (Timestamp(seconds: 0), "1970-01-01T00:00:00.000Z"),
            (Timestamp(seconds: 951_782_400, milliseconds: 45), "2000-02-29T00:00:00.045Z"),
            (Timestamp(seconds: 4_102_444_799, milliseconds: 999), "2099-12-31T23:59:59.999Z"),
        ]
    )
    func time(time: Timestamp, expected: String) {
        #expect(time.description == expected)
    }
}
