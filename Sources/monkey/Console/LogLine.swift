import Logging
import ValueFormats

/// The content of a log line, and its formats.
struct LogLine {
    var time: Timestamp
    var level: Logger.Level
    var label: String
    var message: String
    var metadata: Logger.Metadata = [:]

    /// `2026-01-31T23:59:59.999Z warning admin: message key=value`
    var text: String {
        let pairs = sortedMetadata.map { " \($0.key)=\($0.value)" }.joined()
        return "\(time) \(level) \(label): \(message)\(pairs)".onOneLine
    }

    /// The message alone, for the program's output.
    var bare: String { message.onOneLine }

    /// A JSON object: time, level, label, message and, if not empty, metadata.
    var json: String {
        var object: JSONObject = [
            "time": .string("\(time)"), "level": .string("\(level)"), "label": .string(label),
            "message": .string(message),
        ]
        if !metadata.isEmpty { object["metadata"] = .object(JSONObject(metadata)) }
        return JSONValue.object(object).text
    }

    /// Sorted by key, so that the same call always produces the same line.
    private var sortedMetadata: [Logger.Metadata.Element] {
        metadata.sorted { $0.key < $1.key }
    }
}
