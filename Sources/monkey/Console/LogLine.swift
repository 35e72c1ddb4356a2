import Logging
import Notation

/// What a log call said, and how it is written.
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

    /// The message alone, for what the program says to whoever started it.
    var bare: String { message.onOneLine }

    /// One object: time, level, label, message and, where there is any, metadata.
    var json: String {
        var object = "{\"time\":\"\(time)\",\"level\":\"\(level)\",\"label\":\(JSON.string(label))"
        object += ",\"message\":\(JSON.string(message))"
        if !metadata.isEmpty { object += ",\"metadata\":\(JSON.object(sortedMetadata))" }
        return object + "}"
    }

    /// By key, so that the same call always gives the same line.
    private var sortedMetadata: [Logger.Metadata.Element] {
        metadata.sorted { $0.key < $1.key }
    }
}

extension String {
    /// With control characters escaped: whoever chose the text, the line stays one line, and the terminal is left alone.
    fileprivate var onOneLine: String {
        guard unicodeScalars.contains(where: \.isControl) else { return self }
        return unicodeScalars.map { $0.isControl ? $0.escaped(asASCII: true) : String($0) }.joined()
    }
}

extension Unicode.Scalar {
    /// C0, DEL and C1.
    fileprivate var isControl: Bool { value < 0x20 || (0x7F...0x9F).contains(value) }
}
