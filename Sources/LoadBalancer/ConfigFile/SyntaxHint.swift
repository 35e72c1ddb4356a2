/// Advice for fixing YAML syntax errors: the messages of the parser are about its grammar, not about addresses.
enum SyntaxHint {
    /// Number of characters of a line that are examined.
    private static let maxLineLength = 300

    /// - Parameter begin: start of the construct that could not be parsed, if known.
    static func hint(for diagnostic: String, lines: [Substring], _ location: SourceLocation, _ begin: SourceLocation?)
        -> String
    {
        let written = [location.line, location.line - 1, begin?.line ?? location.line].compactMap { line in
            // The pattern below may take a time that grows with the square of the length.
            lines.indices.contains(line - 1) ? lines[line - 1].prefix(maxLineLength) : nil
        }
        if written.contains(where: { $0.prefix { $0 == " " || $0 == "\t" }.contains("\t") }) {
            return "indent with spaces, not with tabs"
        }
        if written.contains(where: { $0.firstMatch(of: /\[[0-9A-Fa-f:.%]*:[^\[\]]*\]:[0-9]/) != nil }) {
            return "write an IPv6 address in quotes, such as \"[::1]:5432\""
        }
        if written.contains(where: { $0.contains("${") }) {
            return "write a value with ${ in quotes, such as \"${NAME}\""
        }
        return switch diagnostic {
        case "mapping values are not allowed in this context":
            "indent all keys of one mapping equally, and quote text that contains a colon and a space"
        case "could not find expected ':'": "write a colon and a space after the key"
        case "found character that cannot start any token": "quote text that begins with this character"
        case "did not find expected node content": "quote text that begins with a colon or a bracket"
        case "found unexpected end of stream": "close the open quotes"
        case "found unknown escape character": "write a backslash twice, or use single quotes"
        case "did not find expected ',' or ']'": "close the list with ], or quote text that contains a bracket"
        case "did not find expected ',' or '}'": "close the mapping with }, or quote text that contains a brace"
        default: "indent all keys of one mapping equally"
        }
    }
}
