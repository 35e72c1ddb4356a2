import ValueFormats

/// The definition of one setting. The configuration file, the command line, the JSON schema, the reference
/// documentation and validation read it, so that they cannot disagree.
///
/// A new setting needs a descriptor in the `Settings` of its configuration, a property whose initial value is the
/// descriptor's default, an entry in the tables of the file (`KeySchema`) and of the command line (`@Option`), and its
/// use.
package struct SettingDescriptor<Value: Sendable>: Sendable {
    /// Key in the configuration file.
    package let name: String
    /// Option of the command line, without dashes; also the name in errors of the library.
    package let option: String
    package let values: SettingValues
    /// Whether `off` disables the setting; the value is then nil.
    package let canBeOff: Bool
    package let defaultValue: Value
    /// Description of the default in Markdown, if it is not a value that can be written.
    package let defaultText: String?
    /// Description in Markdown: a noun phrase, and sentences that explain it.
    package let help: String

    /// - Parameters:
    ///   - option: option of the command line, if it is not `name`.
    ///   - defaultText: description of the default in Markdown, if it is not a value that can be written.
    package init(
        _ name: String,
        option: String? = nil,
        _ values: SettingValues = .ofType,
        orOff canBeOff: Bool = false,
        default defaultValue: Value,
        describedAs defaultText: String? = nil,
        help: String
    ) {
        self.name = name
        self.option = option ?? name
        self.values = values
        self.canBeOff = canBeOff
        self.defaultValue = defaultValue
        self.defaultText = defaultText
        self.help = help
    }

    /// The allowed values in Markdown; nil if only the type of the value limits them.
    package var allowed: String? {
        values.description.map { canBeOff ? "\($0), or `off`" : $0 }
    }
}

/// The values that a setting can have.
package enum SettingValues: Sendable {
    case count(ClosedRange<Int>)
    /// A number of bytes.
    case size(ClosedRange<Int>)
    case duration(ClosedRange<Duration>)
    /// Durations that the kernel stores in seconds.
    case wholeSeconds(ClosedRange<Duration>)
    /// Texts, by their length in bytes of UTF-8.
    case text(ClosedRange<Int>)
    /// One of several words.
    case words([String])
    /// Values with a format of their own, described in Markdown.
    case described(String)
    /// All values of the type.
    case ofType

    /// All words of an enumeration.
    package static func words<Words: CaseIterable & RawRepresentable>(_ type: Words.Type) -> Self
    where Words.RawValue == String {
        .words(Words.allCases.map(\.rawValue))
    }

    /// Durations from one millisecond to one year. Zero is excluded, because it could mean "immediately" or "never".
    package static let anyDuration = Self.duration(.milliseconds(1)...DurationValue.longest)
    /// Durations of at most one year, including zero.
    package static let anyDurationOrZero = Self.duration(.zero...DurationValue.longest)
    /// Numbers of connections.
    package static let connections = Self.count(1...1_000_000)

    /// The values in Markdown; nil if only the type of the value limits them.
    package var description: String? {
        switch self {
        case .count(let range): "\(range.lowerBound) to \(range.upperBound)"
        case .size(let range):
            "\(range.lowerBound) to \(range.upperBound) bytes, such as `1500`, `64KiB` or `10MB`"
        case .text(let lengths): "\(lengths.lowerBound) to \(lengths.upperBound) bytes"
        case .duration(let range): Self.description(of: range)
        case .wholeSeconds(let range): "\(Self.description(of: range)), in whole seconds"
        case .words(let words): words.map { "`\($0)`" }.joined(separator: ", ")
        case .described(let text): text
        case .ofType: nil
        }
    }

    private static func description(of range: ClosedRange<Duration>) -> String {
        "`\(DurationValue(range.lowerBound))` to `\(DurationValue(range.upperBound))`"
    }

    /// The range of numbers, or of the lengths of texts.
    ///
    /// - Precondition: the values are numbers or texts.
    package var numbers: ClosedRange<Int> {
        switch self {
        case .count(let range), .size(let range), .text(let range): range
        default: preconditionFailure("the values are not numbers: \(self)")
        }
    }

    /// The range of durations.
    ///
    /// - Precondition: the values are durations.
    package var durations: ClosedRange<Duration> {
        switch self {
        case .duration(let range), .wholeSeconds(let range): range
        default: preconditionFailure("the values are not durations: \(self)")
        }
    }
}

extension SettingDescriptor {
    /// Validates a number; nil is valid.
    ///
    /// - Parameter owner: the object of the setting, as the end of its name in the error: ` of pool db`.
    /// - Throws: ``ProxyError/badSetting(name:value:allowed:)``.
    func check(_ value: Int?, of owner: String = "") throws(ProxyError) {
        guard let value, !values.numbers.contains(value) else { return }
        throw error("\(value)", owner)
    }

    /// Validates a duration; nil is valid.
    ///
    /// - Throws: ``ProxyError/badSetting(name:value:allowed:)``.
    func check(_ value: Duration?, of owner: String = "") throws(ProxyError) {
        guard let value, !values.durations.contains(value) else { return }
        throw error("\(value)", owner)
    }

    private func error(_ value: String, _ owner: String) -> ProxyError {
        .badSetting(name: option + owner, value: value, allowed: (allowed ?? "").replacing("`", with: ""))
    }
}
