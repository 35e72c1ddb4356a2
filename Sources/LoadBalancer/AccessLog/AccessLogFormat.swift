package import TCPProxy
public import ValueFormats

/// Format of an access log line: `text`, `json`, or a template with fields in braces, such as
/// `{client} {server} {total_seconds}`.
public struct AccessLogFormat: Hashable, Sendable {
    private enum Form: Hashable {
        case json
        case text([Piece])
    }

    private enum Piece: Hashable {
        case literal(String)
        case field(AccessLogField)
    }

    private let form: Form
    private let written: String

    /// Maximum length of a format, in bytes.
    public static let maxLength = 4096

    /// All fields but those of TLS, separated by spaces.
    public static let text = AccessLogFormat(
        form: .text(Array(AccessLogField.inText.map { [.field($0)] }.joined(separator: [.literal(" ")]))),
        written: "text"
    )

    /// One JSON object per line.
    public static let json = AccessLogFormat(form: .json, written: "json")

    private init(form: Form, written: String) {
        self.form = form
        self.written = written
    }

    /// Parses a format. `{{` and `}}` are literal braces.
    ///
    /// - Throws: `ValueFormatError`, which describes the expected format.
    public init(parsing text: String) throws(ValueFormatError) {
        switch text {
        case "text": self = .text
        case "json": self = .json
        default: self.init(form: .text(try Self.pieces(of: text)), written: text)
        }
    }

    private static func pieces(of text: String) throws(ValueFormatError) -> [Piece] {
        guard text.utf8.count <= maxLength else {
            throw ValueFormatError("too long: must be at most \(maxLength) bytes")
        }
        guard !text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control && $0 != "\t" }) else {
            throw ValueFormatError("control characters are not allowed: remove them")
        }
        var pieces: [Piece] = []
        var literal = ""
        var rest = text[...]
        while let character = rest.popFirst() {
            if character == "{" || character == "}", rest.first == character {
                literal.append(rest.removeFirst())
            } else if character == "{" {
                if !literal.isEmpty { pieces.append(.literal(literal)) }
                literal = ""
                pieces.append(.field(try field(&rest)))
            } else if character == "}" {
                throw ValueFormatError("unmatched }: write }} for a literal brace")
            } else {
                literal.append(character)
            }
        }
        if !literal.isEmpty { pieces.append(.literal(literal)) }
        guard pieces.contains(where: { if case .field = $0 { true } else { false } }) else {
            throw ValueFormatError("no field: must be text, json, or fields in braces; \(allFields)")
        }
        return pieces
    }

    /// Parses a field name after its opening brace.
    private static func field(_ rest: inout Substring) throws(ValueFormatError) -> AccessLogField {
        guard let end = rest.firstIndex(of: "}") else {
            throw ValueFormatError("unmatched {: write {{ for a literal brace")
        }
        let name = rest[..<end]
        rest = rest[rest.index(after: end)...]
        guard let field = AccessLogField(rawValue: String(name)) else {
            throw ValueFormatError("unknown field {\(name)}; \(allFields)")
        }
        return field
    }

    private static var allFields: String {
        "fields are " + AccessLogField.allCases.map { "{\($0.rawValue)}" }.joined(separator: ", ")
    }

    // MARK: Formatting

    /// Returns the line of a connection, without a line terminator.
    package func line(_ record: AccessRecord) -> String {
        switch form {
        case .json:
            return JSONValue.object(JSONObject(AccessLogField.allCases.map { ($0.rawValue, $0.value(of: record)) }))
                .text
        case .text(let pieces):
            return pieces.map { piece in
                switch piece {
                case .literal(let text): text
                case .field(let field):
                    switch field.value(of: record) {
                    case .string(""): "-"
                    case .string(let text): field.isFromClient ? text.onOneLine.inOneWord : text.onOneLine
                    case .null: "-"
                    case let number: number.text
                    }
                }
            }.joined()
        }
    }
}

extension String {
    /// The text with spaces and quotation marks as `\20` and `\22` (RFC 4514, 2.4), so that it can neither add a field to a
    /// line nor end a quoted one.
    fileprivate var inOneWord: String {
        guard utf8.contains(where: { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\"") }) else { return self }
        var word = ""
        // Not characters: a space with a combining mark is another character, but is written as a space.
        var rest = unicodeScalars[...]
        while let scalar = rest.popFirst() {
            // A subject may have these scalars behind a backslash.
            let isEscape = scalar == "\\"
            let next = isEscape ? rest.popFirst() : scalar
            switch next {
            case " ": word += "\\20"
            case "\"": word += "\\22"
            case let next?:
                if isEscape { word += "\\" }
                word.unicodeScalars.append(next)
            case nil: word += "\\"
            }
        }
        return word
    }
}

extension AccessLogFormat: CustomStringConvertible {
    /// The format as it was written.
    public var description: String { written }
}
