/// The values that a setting can have.
package enum SettingValues: Sendable {
    case count(ClosedRange<Int>)
    /// A whole number of percent.
    case percentage(ClosedRange<Int>)
    /// A number of bytes.
    case size(ClosedRange<Int>)
    case duration(ClosedRange<Duration>)
    /// Durations that the kernel stores in seconds.
    case wholeSeconds(ClosedRange<Duration>)
    /// Texts without a zero byte, by their length in bytes of UTF-8. C functions, such as those that open a file or look
    /// up a user, would use only the part before a zero byte.
    case text(ClosedRange<Int>)
    /// Texts that may contain zero bytes, by their length in bytes of UTF-8.
    case binaryText(ClosedRange<Int>)
    /// Texts of visible ASCII characters without spaces, by their length in bytes.
    case visibleText(ClosedRange<Int>)
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

    /// Paths of files.
    package static let path = Self.text(1...4096)

    /// The values in Markdown; nil if only the type of the value limits them.
    package var description: String? {
        switch self {
        case .count(let range): "\(range.lowerBound) to \(range.upperBound)"
        case .percentage(let range): "`\(range.lowerBound)%` to `\(range.upperBound)%`"
        case .size(let range):
            "\(range.lowerBound) to \(range.upperBound) bytes, such as `1500`, `64KiB` or `10MB`"
        case .text(let lengths), .binaryText(let lengths):
            "\(lengths.lowerBound) to \(lengths.upperBound) bytes"
        case .visibleText(let lengths): "\(lengths.lowerBound) to \(lengths.upperBound) bytes of visible ASCII"
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
        case .count(let range), .percentage(let range), .size(let range), .text(let range), .binaryText(let range),
            .visibleText(let range):
            range
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
