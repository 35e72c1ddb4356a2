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
        var object = "{\"time\":\"\(time)\",\"level\":\"\(level)\",\"label\":\(JSON.string(label))"
        object += ",\"message\":\(JSON.string(message))"
        if !metadata.isEmpty { object += ",\"metadata\":\(JSON.object(sortedMetadata))" }
        return object + "}"
    }

    /// Sorted by key, so that the same call always produces the same line.
    private var sortedMetadata: [Logger.Metadata.Element] {
        metadata.sorted { $0.key < $1.key }
    }
}

extension String {
    /// The text with control characters escaped: untrusted text can neither add lines nor control the terminal.
    fileprivate var onOneLine: String {
        guard unicodeScalars.contains(where: \.isControl) else { return self }
        return unicodeScalars.map { $0.isControl ? $0.escaped(asASCII: true) : String($0) }.joined()
    }
}

extension Unicode.Scalar {
    /// C0, DEL and C1.
    fileprivate var isControl: Bool { value < 0x20 || (0x7F...0x9F).contains(value) }
}
