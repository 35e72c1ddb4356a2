import ProcessSupport

/// Reader of a configuration file and the files that it includes: their keys are merged into one mapping, in which each
/// node has the position in its own file.
struct IncludeReader {
    private let context: ConfigurationFile.Context
    /// Identity of the main file; nil if it is not a file.
    private let main: String?
    private var files = 0
    private var bytes = 0
    /// Files that were read, by their identity, with the position of the `include` that named them.
    private var read: [String: SourceLocation] = [:]

    init(_ context: ConfigurationFile.Context) {
        self.context = context
        main = context.path.map(context.identify)
    }

    /// Parses a text and the files that it includes.
    ///
    /// - Returns: nil if the text cannot be read; the reason is added to `diagnostics`.
    mutating func parse(_ text: String, _ diagnostics: inout Diagnostics) -> YAMLNode? {
        bytes = text.utf8.count
        let source = YAMLDocument.Source(environment: context.environment)
        guard let root = YAMLDocument.read(text, from: source, diagnostics: &diagnostics) else { return nil }
        return including(root, folder: context.folder, depth: 1, &diagnostics)
    }

    /// Returns a root with the members of the files that it includes.
    private mutating func including(
        _ root: YAMLNode,
        folder: String,
        depth: Int,
        _ diagnostics: inout Diagnostics
    ) -> YAMLNode {
        guard let include = root[ConfigurationFile.Settings.include.name] else { return root }
        var merged = root
        diagnostics.within(ConfigurationFile.Settings.include.name) { diagnostics in
            // Reports elements that are not paths.
            _ = ValueSchema<[String]>.includes.read(include, &diagnostics)
            guard case .list(let items) = include.content, items.count <= ConfigurationFile.maxIncludes else { return }
            for (index, item) in items.enumerated() {
                guard case .scalar(let scalar) = item.content, Self.isPath(scalar.text) else { continue }
                diagnostics.within(index) { diagnostics in
                    for path in paths(scalar.text, in: folder, at: item.location, &diagnostics) {
                        guard let included = load(path, at: item.location, depth: depth, &diagnostics) else { continue }
                        merged = Self.merge(merged, included, &diagnostics)
                    }
                }
            }
        }
        return merged
    }

    /// Returns whether a text can be a path. C functions would use only the part before a zero byte.
    static func isPath(_ text: String) -> Bool {
        (1...4096).contains(text.utf8.count) && !text.utf8.contains(0)
    }

    /// Returns the files that an element of `include` means: a file, the YAML files of a folder, or those that match a
    /// pattern, sorted by name.
    private func paths(
        _ text: String,
        in folder: String,
        at location: SourceLocation,
        _ diagnostics: inout Diagnostics
    ) -> [String] {
        let path = ConfigurationFile.Context.path(text, from: folder)
        let slash = path.lastIndex(of: "/")
        let last = slash.map { String(path[path.index(after: $0)...]) } ?? path
        do throws(RegularFileError) {
            if last.contains("*") {
                let folder = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? ""
                let names = try context.list(folder)?.filter { Self.matches($0, last) } ?? []
                if names.isEmpty {
                    diagnostics.warning(at: location, "no file matches \(quoted(path)): correct it, or remove it")
                }
                return names.sorted().map { ConfigurationFile.Context.path($0, from: folder) }
            }
            guard let names = try context.list(path) else { return [path] }
            let isYAML = { (name: String) in
                !name.hasPrefix(".") && (name.hasSuffix(".yaml") || name.hasSuffix(".yml"))
            }
            return names.filter(isYAML).sorted().map { ConfigurationFile.Context.path($0, from: path) }
        } catch {
            diagnostics.error(at: location, "cannot read \(quoted(error.path)): \(error.cause)")
            return []
        }
    }

    /// Returns whether a name matches a pattern in which `*` stands for any characters; a leading dot must be written.
    private static func matches(_ name: String, _ pattern: String) -> Bool {
        if name.hasPrefix("."), !pattern.hasPrefix(".") { return false }
        let parts = pattern.split(separator: "*", omittingEmptySubsequences: false)
        guard let first = parts.first, let last = parts.last, parts.count > 1 else { return name == pattern }
        guard name.hasPrefix(first), name.count >= first.count + last.count, name.hasSuffix(last) else { return false }
        var rest = name.dropFirst(first.count).dropLast(last.count)
        for part in parts.dropFirst().dropLast() where !part.isEmpty {
            guard let range = rest.firstRange(of: part) else { return false }
            rest = rest[range.upperBound...]
        }
        return true
    }

    /// Reads an included file and the files that it includes.
    private mutating func load(
        _ path: String,
        at location: SourceLocation,
        depth: Int,
        _ diagnostics: inout Diagnostics
    ) -> YAMLNode? {
        let identity = context.identify(path)
        guard identity != main else {
            diagnostics.error(at: location, "\(quoted(path)) includes itself: remove it from include")
            return nil
        }
        if let first = read[identity] {
            let place = first.place(seenFrom: location)
            diagnostics.error(at: location, "\(quoted(path)) is included twice, first \(place): remove one of the two")
            return nil
        }
        read[identity] = location
        files += 1
        guard files <= ConfigurationFile.maxIncludedFiles else {
            if files == ConfigurationFile.maxIncludedFiles + 1 {
                let max = ConfigurationFile.maxIncludedFiles
                diagnostics.error(at: location, "too many included files: at most \(max) are allowed")
            }
            return nil
        }
        guard depth <= ConfigurationFile.maxIncludeDepth else {
            let max = ConfigurationFile.maxIncludeDepth
            diagnostics.error(at: location, "files include each other too deeply: at most \(max) levels are allowed")
            return nil
        }
        let content: [UInt8]
        do throws(RegularFileError) {
            content = try context.read(path)
        } catch {
            diagnostics.error(at: location, "cannot read \(quoted(path)): \(error.cause)")
            return nil
        }
        bytes += content.count
        guard bytes <= ConfigurationFile.maxIncludedBytes else {
            let max = ConfigurationFile.maxIncludedBytes
            diagnostics.error(at: location, "the files have more than \(max) bytes together: shorten them")
            return nil
        }
        let file = IncludedFile(number: files, path: path)
        return Self.inFile(file, &diagnostics) { diagnostics in
            guard let text = ConfigurationFile.text(content, &diagnostics) else { return nil }
            let source = YAMLDocument.Source(file: file, environment: context.environment)
            guard let root = YAMLDocument.read(text, from: source, diagnostics: &diagnostics) else { return nil }
            guard case .mapping = root.content else {
                diagnostics.error(at: root.location, "\(root.typeMismatch): must be a mapping, such as pools: {...}")
                return nil
            }
            let folder = ConfigurationFile.Context(of: path).folder
            return including(root, folder: folder, depth: depth + 1, &diagnostics)
        }
    }

    /// Runs the body with another file as the one that is being read, and without the path of the key that names it.
    private static func inFile<Value>(
        _ file: IncludedFile,
        _ diagnostics: inout Diagnostics,
        _ body: (inout Diagnostics) -> Value
    ) -> Value {
        let outer = diagnostics.file
        diagnostics.file = file
        defer { diagnostics.file = outer }
        return diagnostics.withoutPath(body)
    }

    /// Adds the members of an included file: listeners, pools and limits to those of the file, other keys if the file does
    /// not have them.
    private static func merge(_ root: YAMLNode, _ included: YAMLNode, _ diagnostics: inout Diagnostics) -> YAMLNode {
        diagnostics.withoutPath { diagnostics in
            merge(root, included, mergesMappings: true, &diagnostics)
        }
    }

    private static func merge(
        _ root: YAMLNode,
        _ included: YAMLNode,
        mergesMappings: Bool,
        _ diagnostics: inout Diagnostics
    ) -> YAMLNode {
        guard case .mapping(var members) = root.content, case .mapping(let added) = included.content else {
            return root
        }
        var positions = Dictionary(
            members.enumerated().map { ($1.name, $0) },
            uniquingKeysWith: { first, _ in first }
        )
        typealias Settings = ConfigurationFile.Settings
        let merged = [Settings.listeners.name, Settings.pools.name, Settings.limits.name]
        for member in added where !mergesMappings || member.name != ConfigurationFile.Settings.include.name {
            guard let position = positions[member.name] else {
                positions[member.name] = members.count
                members.append(member)
                continue
            }
            let first = members[position]
            diagnostics.within(member.name) { diagnostics in
                if mergesMappings, merged.contains(member.name), case .mapping = first.value.content,
                    case .mapping = member.value.content
                {
                    members[position].value = merge(first.value, member.value, mergesMappings: false, &diagnostics)
                } else {
                    let place = first.location.place(seenFrom: member.location)
                    diagnostics.error(
                        at: member.location,
                        "duplicate key, first defined \(place): keep one of them"
                    )
                }
            }
        }
        return YAMLNode(.mapping(members), at: root.location)
    }
}
