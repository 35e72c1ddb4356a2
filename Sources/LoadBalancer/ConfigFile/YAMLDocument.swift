import ValueFormats
import Yams

/// Parser of one YAML document into a ``YAMLNode``.
///
/// Features of YAML that a configuration does not need are rejected: tags, merge keys and keys that are not scalars.
/// Aliases are resolved up to ``maxAliased`` nodes. Yams stops at a duplicate key, and expands aliases in a key before
/// they can be counted; the text passed to it is modified to avoid both, see ``TokenEscape`` and ``readRoot(_:)``.
struct YAMLDocument {
    /// Maximum nesting depth of lists and mappings; the configuration needs six levels.
    static let maxDepth = 16
    /// Maximum number of nodes that all aliases together expand to.
    static let maxAliased = 20_000
    /// Maximum number of duplicate keys that are reported with their own lines. For each, the text is parsed again.
    static let maxDuplicates = 32
    /// Maximum number of bytes that are parsed again.
    static let maxBytesParsedAgain = 1 << 19

    /// Returns how often a text is parsed again.
    static func maxReadings(ofBytes count: Int) -> Int {
        min(maxDuplicates, maxBytesParsedAgain / max(1, count))
    }

    private var text: String
    private let source: Source
    private let lines: [Substring]
    private var insertions: [Insertion] = []

    /// A tag inserted before a duplicate key. It shifts the columns that follow by its length.
    private struct Insertion {
        var location: SourceLocation
        var length: Int
    }

    private static let duplicateTag = "!duplicate-key-"
    private static let tooDeep = "lists and mappings are nested too deeply: at most \(maxDepth) levels are allowed"

    /// Where a text comes from.
    struct Source {
        /// nil for the main file.
        var file: IncludedFile?
        /// Returns the value of an environment variable; nil if it is not set.
        var environment: @Sendable (String) -> String? = { _ in nil }
    }

    /// Maximum size of a value in bytes. Aliases can repeat a value, and each copy is parsed.
    static let maxScalarBytes = 16 << 10
    /// Maximum size in bytes of all texts with environment variables, after their expansion.
    static let maxExpandedBytes = 1 << 20

    /// Parses the text.
    ///
    /// - Returns: nil if the document cannot be read; the reason is added to `diagnostics`. An included document may be
    ///   empty.
    static func read(_ text: String, from source: Source = Source(), diagnostics: inout Diagnostics) -> YAMLNode? {
        if let location = TokenEscape.location(in: text) {
            diagnostics.error(at: location, "the character U+E000 is not supported: remove it")
            return nil
        }
        var document = YAMLDocument(text, source)
        return document.readRoot(&diagnostics)
    }

    private init(_ text: String, _ source: Source) {
        self.source = source
        lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        self.text = TokenEscape.hide(text)
    }

    /// Parses the document. Yams throws at the first duplicate key in a mapping, but a key with a different tag is not
    /// a duplicate to it. So each one found gets a unique tag and the text is parsed again; the builder then detects
    /// duplicates by name.
    private mutating func readRoot(_ diagnostics: inout Diagnostics) -> YAMLNode? {
        while true {
            do {
                let parser = try Parser(yaml: text, resolver: .basic, encoding: .utf8)
                let root = try parser.nextRoot()
                let second = try root == nil ? nil : parser.nextRoot()
                return withExtendedLifetime(parser) { build(root, second, &diagnostics) }
            } catch YamlError.duplicatedKeysInMapping(let names, let context) {
                guard insertions.count < Self.maxReadings(ofBytes: text.utf8.count),
                    tagKey(at: SourceLocation(context.mark))
                else {
                    let names = names.map { quoted(TokenEscape.reveal($0)) }.joined(separator: ", ")
                    diagnostics.error(at: original(context.mark), "duplicate keys: \(names): keep one of each")
                    return nil
                }
            } catch {
                report(error, &diagnostics)
                return nil
            }
        }
    }

    private mutating func tagKey(at location: SourceLocation) -> Bool {
        guard !insertions.contains(where: { $0.location == location }) else { return false }
        let tag = "\(Self.duplicateTag)\(insertions.count) "
        guard let index = text.index(of: location) else { return false }
        text.insert(contentsOf: tag, at: index)
        insertions.append(Insertion(location: location, length: tag.unicodeScalars.count))
        return true
    }

    /// Converts a position in the text passed to Yams to one in the original text.
    private func original(_ mark: Mark?) -> SourceLocation {
        var location = mark.map { SourceLocation($0) } ?? SourceLocation(line: 1, column: 1)
        location.file = source.file
        for insertion in insertions.reversed()
        where location.line == insertion.location.line && location.column > insertion.location.column {
            location.column -= min(insertion.length, location.column - insertion.location.column)
        }
        return location
    }

    private func build(_ root: Node?, _ second: Node?, _ diagnostics: inout Diagnostics) -> YAMLNode? {
        guard let root else {
            if source.file != nil { return YAMLNode(.mapping([]), at: original(nil)) }
            diagnostics.error(
                at: SourceLocation(line: 1, column: 1),
                "the file is empty: add listeners and pools"
            )
            return nil
        }
        if let second {
            diagnostics.error(at: original(second.mark), "unexpected second document: the file must contain only one")
        }
        var builder = Builder(original: original, environment: source.environment)
        return builder.build(root, &diagnostics)
    }

    private func report(_ error: any Error, _ diagnostics: inout Diagnostics) {
        switch error {
        case YamlError.parser(_, let diagnostic, let mark, _) where diagnostic.hasPrefix("Maximum nesting"):
            diagnostics.error(at: original(mark), Self.tooDeep)
        case YamlError.scanner(let context, let diagnostic, let mark, _),
            YamlError.parser(let context, let diagnostic, let mark, _),
            YamlError.composer(let context, let diagnostic, let mark, _):
            let location = original(mark)
            let hint = SyntaxHint.hint(for: diagnostic, lines: lines, location, context.map { original($0.mark) })
            let circumstance = context.map { " \($0.text)" } ?? ""
            diagnostics.error(at: location, "invalid YAML: \(diagnostic)\(circumstance): \(hint)")
        case YamlError.reader(_, let offset, _, let yaml):
            let index = offset.flatMap { yaml.index(yaml.startIndex, offsetBy: $0, limitedBy: yaml.endIndex) }
            let location = yaml.location(of: index ?? yaml.startIndex)
            diagnostics.error(at: location, "control characters are not allowed in YAML: remove this one")
        default:
            // Yams has reached a limit of its own and does not report the position.
            diagnostics.error(at: SourceLocation(line: 1, column: 1), Self.tooDeep)
        }
    }

    /// Converter of Yams nodes.
    private struct Builder {
        let original: (Mark?) -> SourceLocation
        private var anchors: [String: YAMLNode] = [:]
        private var aliased = 0
        private var depth = 0
        private let environment: (String) -> String?
        private var expanded = 0

        init(original: @escaping (Mark?) -> SourceLocation, environment: @escaping (String) -> String?) {
            self.original = original
            self.environment = environment
        }

        mutating func build(_ node: Node, _ diagnostics: inout Diagnostics) -> YAMLNode {
            let location = original(node.mark)
            var built = YAMLNode(.scalar(.init(text: "", isPlain: true)), at: location)
            guard depth < YAMLDocument.maxDepth else {
                diagnostics.error(at: location, YAMLDocument.tooDeep)
                return built
            }
            depth += 1
            defer { depth -= 1 }
            checkTag(of: node, at: location, &diagnostics)
            switch node {
            case .scalar(let scalar):
                if scalar.style == .plain, let name = TokenEscape.aliasName(in: scalar.string) {
                    return resolve(name, at: location, &diagnostics) ?? built
                }
                let text = TokenEscape.reveal(scalar.string)
                if let scalar = expand(text, isPlain: scalar.style == .plain, at: location, &diagnostics) {
                    built = YAMLNode(.scalar(scalar), at: location)
                }
            case .sequence(let sequence):
                var items: [YAMLNode] = []
                for (index, item) in sequence.enumerated() {
                    items.append(diagnostics.within(index) { build(item, &$0) })
                }
                built = YAMLNode(.list(items), at: location)
            case .mapping(let mapping):
                built = YAMLNode(.mapping(buildMembers(mapping, &diagnostics)), at: location)
            case .alias:
                // Created only when encoding.
                break
            }
            if let anchor = node.anchor { anchors[anchor.rawValue] = built }
            return built
        }

        /// Replaces references to environment variables; returns nil after reporting an error.
        private mutating func expand(
            _ text: String,
            isPlain: Bool,
            at location: SourceLocation,
            _ diagnostics: inout Diagnostics
        ) -> YAMLNode.Scalar? {
            guard text.utf8.count <= YAMLDocument.maxScalarBytes else {
                let max = YAMLDocument.maxScalarBytes
                diagnostics.reject(
                    at: location,
                    "the value has \(text.utf8.count) bytes: at most \(max) are allowed"
                )
                return nil
            }
            do throws(ValueFormatError) {
                let expansion = try EnvironmentReference.expand(text, environment)
                if expansion.hasReference { expanded += expansion.text.utf8.count }
                guard expanded <= YAMLDocument.maxExpandedBytes else {
                    diagnostics.reject(
                        at: location,
                        "environment variables expand to more than \(YAMLDocument.maxExpandedBytes) bytes: shorten them"
                    )
                    return nil
                }
                return YAMLNode.Scalar(text: expansion.text, isPlain: isPlain, isExpanded: expansion.hasReference)
            } catch {
                diagnostics.reject(at: location, "\(error)")
                return nil
            }
        }

        private mutating func buildMembers(_ mapping: Node.Mapping, _ diagnostics: inout Diagnostics) -> [YAMLNode
            .Member]
        {
            var members: [YAMLNode.Member] = []
            var lines: [String: Int] = [:]
            for (key, value) in mapping {
                let location = original(key.mark)
                guard case .scalar(let scalar) = key,
                    scalar.style != .plain || TokenEscape.aliasName(in: scalar.string) == nil
                else {
                    diagnostics.error(at: location, "invalid key: must be plain text")
                    continue
                }
                let name = TokenEscape.reveal(scalar.string)
                diagnostics.within(name) { diagnostics in
                    if name == "<<", scalar.style == .plain {
                        diagnostics.error(
                            at: location,
                            "merge keys are not supported: write the keys out, or use an alias for a whole value"
                        )
                        return
                    }
                    checkTag(of: key, at: location, &diagnostics)
                    let value = build(value, &diagnostics)
                    if let line = lines[name] {
                        diagnostics.error(
                            at: location,
                            "duplicate key, first defined on line \(line): keep one of them"
                        )
                    } else {
                        lines[name] = location.line
                        members.append(.init(name: name, location: location, value: value))
                    }
                }
            }
            return members
        }

        private mutating func resolve(
            _ name: String,
            at location: SourceLocation,
            _ diagnostics: inout Diagnostics
        ) -> YAMLNode? {
            guard var node = anchors[name] else {
                let isName = !name.isEmpty && name.allSatisfy { $0.isLetter || $0.isNumber || "-_".contains($0) }
                diagnostics.error(
                    at: location,
                    isName
                        ? "alias *\(name) has no anchor &\(name) before it: write the value itself"
                        : "\(quoted("*" + name)) begins with an asterisk, which YAML reads as an alias: "
                            + "write it in quotes"
                )
                return nil
            }
            let before = aliased
            aliased += node.size
            guard aliased <= YAMLDocument.maxAliased else {
                // Reported only once.
                if before > YAMLDocument.maxAliased { return nil }
                diagnostics.error(
                    at: location,
                    "aliases expand to more than \(YAMLDocument.maxAliased) values: write some of them out"
                )
                return nil
            }
            node.location = location
            return node
        }

        private func checkTag(of node: Node, at location: SourceLocation, _ diagnostics: inout Diagnostics) {
            let tag =
                switch node {
                case .scalar(let scalar): scalar.tag.rawValue
                case .sequence(let sequence): sequence.tag.rawValue
                case .mapping(let mapping): mapping.tag.rawValue
                case .alias: ""
                }
            // Yams may have added the default tag of an untagged node.
            let implied = ["", Tag.Name.str.rawValue, Tag.Name.seq.rawValue, Tag.Name.map.rawValue]
            guard !implied.contains(tag), !tag.hasPrefix(YAMLDocument.duplicateTag) else { return }
            diagnostics.error(at: location, "YAML tag \(quoted(tag)) is not supported: remove it")
        }
    }
}

/// Replacement of asterisks by a private-use character, so that Yams reads aliases as plain text. Yams resolves them
/// before their expansion can be counted, and a few of them in a key can take more than a day to expand.
private enum TokenEscape {
    private static let scalar: Unicode.Scalar = "\u{E000}"

    static func hide(_ text: String) -> String { replace("*", with: scalar, in: text) }
    static func reveal(_ text: String) -> String { replace(scalar, with: "*", in: text) }

    /// Returns the name of an alias; nil if the text is not an alias.
    static func aliasName(in plain: String) -> String? {
        plain.unicodeScalars.first == scalar ? reveal(String(plain.unicodeScalars.dropFirst())) : nil
    }

    /// Returns the position of the private-use character if the original text contains it.
    static func location(in text: String) -> SourceLocation? {
        text.unicodeScalars.firstIndex(of: scalar).map(text.location(of:))
    }

    private static func replace(_ old: Unicode.Scalar, with new: Unicode.Scalar, in text: String) -> String {
        var scalars = String.UnicodeScalarView()
        for scalar in text.unicodeScalars { scalars.append(scalar == old ? new : scalar) }
        return String(scalars)
    }
}

extension SourceLocation {
    fileprivate init(_ mark: Mark) {
        self.init(line: mark.line, column: mark.column)
    }
}

extension String {
    fileprivate func location(of index: Index) -> SourceLocation {
        var location = SourceLocation(line: 1, column: 1)
        for scalar in unicodeScalars[..<index] {
            location.column += 1
            if scalar == "\n" { location = SourceLocation(line: location.line + 1, column: 1) }
        }
        return location
    }

    fileprivate func index(of location: SourceLocation) -> Index? {
        var line = 1
        var start = unicodeScalars.startIndex
        while line < location.line {
            guard let end = unicodeScalars[start...].firstIndex(of: "\n") else { return nil }
            start = unicodeScalars.index(after: end)
            line += 1
        }
        return unicodeScalars.index(start, offsetBy: location.column - 1, limitedBy: unicodeScalars.endIndex)
    }
}
