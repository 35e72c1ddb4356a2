import Logging
import Testing
import ValueFormats

@testable import monkey

@Suite("Log line")
struct LogLineTests {
    private func line(_ message: String, metadata: Logger.Metadata = [:]) -> LogLine {
        LogLine(
            time: Timestamp(secondsSince1970: 1_769_903_999.009),
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
}
