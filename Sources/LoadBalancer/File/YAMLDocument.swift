import Yams

/// Parser of one YAML document into a ``WrittenNode``.
///
/// Features of YAML that a configuration does not need are rejected: tags, merge keys and keys that are not scalars.
/// Aliases are resolved up to ``mostAliased`` nodes. Yams stops at a duplicate key, and expands aliases in a key before
/// they can be counted; the text passed to it is modified to avoid both, see ``Disguise`` and ``readRoot(_:)``.
struct YAMLDocument {
    /// Maximum nesting depth of lists and mappings; the configuration needs six levels.
    static let deepest = 16
    /// Maximum number of nodes that all aliases together expand to.
    static let mostAliased = 20_000
    /// Maximum number of duplicate keys that are reported with their own lines.
    static let mostDuplicates = 32

    private var text: String
    private let lines: [Substring]
    private var insertions: [Insertion] = []

    /// A tag inserted before a duplicate key. It shifts the columns that follow by its length.
    private struct Insertion {
        var position: Position
        var length: Int
    }

    private static let duplicateTag = "!duplicate-key-"
    private static let tooDeep = "lists and mappings are nested too deeply: at most \(deepest) levels are allowed"

    /// Parses the text.
    ///
    /// - Returns: nil if the document cannot be read; the reason is added to `problems`.
    static func read(_ text: String, problems: inout Problems) -> WrittenNode? {
        if let position = Disguise.position(in: text) {
            problems.error(at: position, "the character U+E000 is not supported: remove it")
            return nil
        }
        var document = YAMLDocument(text)
        return document.readRoot(&problems)
    }

    private init(_ text: String) {
        lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        self.text = Disguise.hide(text)
    }

    /// Parses the document. Yams throws at the first duplicate key in a mapping, but a key with a different tag is not
    /// a duplicate to it. So each one found gets a unique tag and the text is parsed again; the builder then detects
    /// duplicates by name.
    private mutating func readRoot(_ problems: inout Problems) -> WrittenNode? {
        while true {
            do {
                let parser = try Parser(yaml: text, resolver: .basic, encoding: .utf8)
                let root = try parser.nextRoot()
                let second = try root == nil ? nil : parser.nextRoot()
                return withExtendedLifetime(parser) { build(root, second, &problems) }
            } catch YamlError.duplicatedKeysInMapping(let names, let context) {
                guard insertions.count < Self.mostDuplicates, tagKey(at: Position(context.mark)) else {
                    let names = names.map { quoted(Disguise.reveal($0)) }.joined(separator: ", ")
                    problems.error(at: original(context.mark), "duplicate keys: \(names): keep one of each")
                    return nil
                }
            } catch {
                report(error, &problems)
                return nil
            }
        }
    }

    private mutating func tagKey(at position: Position) -> Bool {
        guard !insertions.contains(where: { $0.position == position }) else { return false }
        let tag = "\(Self.duplicateTag)\(insertions.count) "
        guard let index = text.index(of: position) else { return false }
        text.insert(contentsOf: tag, at: index)
        insertions.append(Insertion(position: position, length: tag.unicodeScalars.count))
        return true
    }

    /// Converts a position in the text passed to Yams to one in the original text.
    private func original(_ mark: Mark?) -> Position {
        guard let mark else { return Position(line: 1, column: 1) }
        var position = Position(mark)
        for insertion in insertions.reversed()
        where position.line == insertion.position.line && position.column > insertion.position.column {
            position.column -= min(insertion.length, position.column - insertion.position.column)
        }
        return position
    }

    private func build(_ root: Node?, _ second: Node?, _ problems: inout Problems) -> WrittenNode? {
        guard let root else {
            problems.error(
                at: Position(line: 1, column: 1),
                "the file is empty: add listeners and pools"
            )
            return nil
        }
        if let second {
            problems.error(at: original(second.mark), "unexpected second document: the file must contain only one")
        }
        var builder = Builder(original: original)
        return builder.build(root, &problems)
    }

    private func report(_ error: any Error, _ problems: inout Problems) {
        switch error {
        case YamlError.parser(_, let problem, let mark, _) where problem.hasPrefix("Maximum nesting"):
            problems.error(at: original(mark), Self.tooDeep)
        case YamlError.scanner(let context, let problem, let mark, _),
            YamlError.parser(let context, let problem, let mark, _),
            YamlError.composer(let context, let problem, let mark, _):
            let position = original(mark)
            let hint = SyntaxHint.hint(for: problem, lines: lines, position, context.map { original($0.mark) })
            let circumstance = context.map { " \($0.text)" } ?? ""
            problems.error(at: position, "invalid YAML: \(problem)\(circumstance): \(hint)")
        case YamlError.reader(_, let offset, _, let yaml):
            let index = offset.flatMap { yaml.index(yaml.startIndex, offsetBy: $0, limitedBy: yaml.endIndex) }
            let position = yaml.position(of: index ?? yaml.startIndex)
            problems.error(at: position, "control characters are not allowed in YAML: remove this one")
        default:
            // Yams has reached a limit of its own and does not report the position.
            problems.error(at: Position(line: 1, column: 1), Self.tooDeep)
        }
    }

    /// Converter of Yams nodes.
    private struct Builder {
        let original: (Mark?) -> Position
        private var anchors: [String: WrittenNode] = [:]
        private var aliased = 0
        private var depth = 0

        init(original: @escaping (Mark?) -> Position) {
            self.original = original
        }

        mutating func build(_ node: Node, _ problems: inout Problems) -> WrittenNode {
            let position = original(node.mark)
            var built = WrittenNode(.scalar(.init(text: "", isPlain: true)), at: position)
            guard depth < YAMLDocument.deepest else {
                problems.error(at: position, YAMLDocument.tooDeep)
                return built
            }
            depth += 1
            defer { depth -= 1 }
            checkTag(of: node, at: position, &problems)
            switch node {
            case .scalar(let scalar):
                if scalar.style == .plain, let name = Disguise.aliasName(in: scalar.string) {
                    return resolve(name, at: position, &problems) ?? built
                }
                let text = Disguise.reveal(scalar.string)
                built = WrittenNode(.scalar(.init(text: text, isPlain: scalar.style == .plain)), at: position)
            case .sequence(let sequence):
                var items: [WrittenNode] = []
                for (index, item) in sequence.enumerated() {
                    items.append(problems.within(index) { build(item, &$0) })
                }
                built = WrittenNode(.list(items), at: position)
            case .mapping(let mapping):
                built = WrittenNode(.mapping(buildMembers(mapping, &problems)), at: position)
            case .alias:
                // Created only when encoding.
                break
            }
            if let anchor = node.anchor { anchors[anchor.rawValue] = built }
            return built
        }

        private mutating func buildMembers(_ mapping: Node.Mapping, _ problems: inout Problems) -> [WrittenNode.Member]
        {
            var members: [WrittenNode.Member] = []
            var lines: [String: Int] = [:]
            for (key, value) in mapping {
                let position = original(key.mark)
                guard case .scalar(let scalar) = key,
                    scalar.style != .plain || Disguise.aliasName(in: scalar.string) == nil
                else {
                    problems.error(at: position, "invalid key: must be plain text")
                    continue
                }
                let name = Disguise.reveal(scalar.string)
                problems.within(name) { problems in
                    if name == "<<", scalar.style == .plain {
                        problems.error(
                            at: position,
                            "merge keys are not supported: write the keys out, or use an alias for a whole value"
                        )
                        return
                    }
                    checkTag(of: key, at: position, &problems)
                    let value = build(value, &problems)
                    if let line = lines[name] {
                        problems.error(at: position, "duplicate key, first defined on line \(line): keep one of them")
                    } else {
                        lines[name] = position.line
                        members.append(.init(name: name, position: position, value: value))
                    }
                }
            }
            return members
        }

        private mutating func resolve(
            _ name: String,
            at position: Position,
            _ problems: inout Problems
        ) -> WrittenNode? {
            guard var node = anchors[name] else {
                let isName = !name.isEmpty && name.allSatisfy { $0.isLetter || $0.isNumber || "-_".contains($0) }
                problems.error(
                    at: position,
                    isName
                        ? "alias *\(name) has no anchor &\(name) before it: write the value itself"
                        : "\(quoted("*" + name)) begins with an asterisk, which YAML reads as an alias: "
                            + "write it in quotes"
                )
                return nil
            }
            let before = aliased
            aliased += node.size
            guard aliased <= YAMLDocument.mostAliased else {
                // Reported only once.
                if before > YAMLDocument.mostAliased { return nil }
                problems.error(
                    at: position,
                    "aliases expand to more than \(YAMLDocument.mostAliased) values: write some of them out"
                )
                return nil
            }
            node.position = position
            return node
        }

        private func checkTag(of node: Node, at position: Position, _ problems: inout Problems) {
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
            problems.error(at: position, "YAML tag \(quoted(tag)) is not supported: remove it")
        }
    }
}

/// Replacement of asterisks by a private-use character, so that Yams reads aliases as plain text. Yams resolves them
/// before their expansion can be counted, and a few of them in a key can take more than a day to expand.
private enum Disguise {
    private static let scalar: Unicode.Scalar = "\u{E000}"

    static func hide(_ text: String) -> String { replace("*", with: scalar, in: text) }
    static func reveal(_ text: String) -> String { replace(scalar, with: "*", in: text) }

    /// Returns the name of an alias; nil if the text is not an alias.
    static func aliasName(in plain: String) -> String? {
        plain.unicodeScalars.first == scalar ? reveal(String(plain.unicodeScalars.dropFirst())) : nil
    }

    /// Returns the position of the private-use character if the original text contains it.
    static func position(in text: String) -> Position? {
        text.unicodeScalars.firstIndex(of: scalar).map(text.position(of:))
    }

    private static func replace(_ old: Unicode.Scalar, with new: Unicode.Scalar, in text: String) -> String {
        var scalars = String.UnicodeScalarView()
        for scalar in text.unicodeScalars { scalars.append(scalar == old ? new : scalar) }
        return String(scalars)
    }
}

extension Position {
    fileprivate init(_ mark: Mark) {
        self.init(line: mark.line, column: mark.column)
    }
}

extension String {
    fileprivate func position(of index: Index) -> Position {
        var position = Position(line: 1, column: 1)
        for scalar in unicodeScalars[..<index] {
            position.column += 1
            if scalar == "\n" { position = Position(line: position.line + 1, column: 1) }
        }
        return position
    }

    fileprivate func index(of position: Position) -> Index? {
        var line = 1
        var start = unicodeScalars.startIndex
        while line < position.line {
            guard let end = unicodeScalars[start...].firstIndex(of: "\n") else { return nil }
            start = unicodeScalars.index(after: end)
            line += 1
        }
        return unicodeScalars.index(start, offsetBy: position.column - 1, limitedBy: unicodeScalars.endIndex)
    }
}
