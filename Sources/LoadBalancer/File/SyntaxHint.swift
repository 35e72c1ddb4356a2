/// Advice for fixing YAML syntax errors: the messages of the parser are about its grammar, not about addresses.
enum SyntaxHint {
    /// - Parameter begin: start of the construct that could not be parsed, if known.
    static func hint(for problem: String, lines: [Substring], _ position: Position, _ begin: Position?) -> String {
        let written = [position.line, position.line - 1, begin?.line ?? position.line].compactMap { line in
            lines.indices.contains(line - 1) ? lines[line - 1] : nil
        }
        if written.contains(where: { $0.prefix { $0 == " " || $0 == "\t" }.contains("\t") }) {
            return "indent with spaces, not with tabs"
        }
        if written.contains(where: { $0.firstMatch(of: /\[[0-9A-Fa-f:.%]*:[^\[\]]*\]:[0-9]/) != nil }) {
            return "write an IPv6 address in quotes, such as \"[::1]:5432\""
        }
        return switch problem {
        case "mapping values are not allowed in this context":
            "indent it as the keys beside it, and put a text that has a colon and a space in quotes"
        case "could not find expected ':'": "write a colon and a space after the key"
        case "found character that cannot start any token": "put a text that begins so in quotes"
        case "did not find expected node content": "put a text that begins with a colon or a bracket in quotes"
        case "found unexpected end of stream": "close the quotes that are open"
        case "found unknown escape character": "write a backslash twice, or use single quotes"
        case "did not find expected ',' or ']'": "close the list with ], or put a text with a bracket in quotes"
        case "did not find expected ',' or '}'": "close the group with }, or put a text with a brace in quotes"
        default: "let all keys of one group begin in one column"
        }
    }
}
