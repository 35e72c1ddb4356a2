/// The definition of one setting. The configuration file, the command line, the JSON schema, the reference
/// documentation and validation read it, so that they cannot disagree.
///
/// A new setting needs a descriptor in the `Settings` of its configuration, a property whose initial value is the
/// descriptor's default, an entry in the tables of the file (`KeySchema`) and of the command line (`@Option`), and its
/// use.
///
/// It is in this module because the echo server and the load tester have settings too, and must not import the proxy.
package struct SettingDescriptor<Value: Sendable>: Sendable {
    /// Key in the configuration file.
    package let name: String
    /// Option of the command line, without dashes; also the name in errors of the library.
    package private(set) var option: String
    package private(set) var values: SettingValues
    /// Whether `off` disables the setting; the value is then nil.
    package let canBeOff: Bool
    package let defaultValue: Value
    /// Description of the default in Markdown, if it is not a value that can be written.
    package private(set) var defaultText: String?
    /// Description in Markdown: a noun phrase, and sentences that explain it.
    package private(set) var help = ""

    package init(
        _ name: String,
        _ values: SettingValues = .ofType,
        orOff canBeOff: Bool = false,
        default defaultValue: Value
    ) {
        self.name = name
        option = name
        self.values = values
        self.canBeOff = canBeOff
        self.defaultValue = defaultValue
    }

    /// Returns the setting with another option of the command line than its key.
    package func option(_ name: String) -> Self { changed { $0.option = name } }

    /// Returns the setting with a description in Markdown of its values, for values with a format of their own.
    package func allowed(_ text: String) -> Self { changed { $0.values = .described(text) } }

    /// Returns the setting with a description in Markdown of its default, for one that is not a value that can be
    /// written.
    package func defaultText(_ text: String) -> Self { changed { $0.defaultText = text } }

    /// Returns the setting with its description in Markdown: a noun phrase, and sentences that explain it.
    package func help(_ text: String) -> Self { changed { $0.help = text } }

    private func changed(_ change: (inout Self) -> Void) -> Self {
        var copy = self
        change(&copy)
        return copy
    }

    /// The allowed values in Markdown; nil if only the type of the value limits them.
    package var allowed: String? {
        values.description.map { canBeOff ? "\($0), or `off`" : $0 }
    }
}

extension SettingDescriptor {
    /// Returns why a number or a duration is not allowed; nil if it is. A nil value is allowed.
    ///
    /// - Parameter owner: the object of the setting, as the end of its name: ` of pool db`.
    package func violation<Limited: RangeLimited>(_ value: Limited?, of owner: String = "") -> SettingViolation? {
        guard let value, !Limited.range(of: values).contains(value) else { return nil }
        return SettingViolation(
            name: option + owner,
            value: "\(value)",
            allowed: (allowed ?? "").replacing("`", with: "")
        )
    }
}

/// A kind of value whose allowed values are a range.
package protocol RangeLimited: Comparable {
    static func range(of values: SettingValues) -> ClosedRange<Self>
}

extension Int: RangeLimited {
    package static func range(of values: SettingValues) -> ClosedRange<Int> { values.numbers }
}

extension Duration: RangeLimited {
    package static func range(of values: SettingValues) -> ClosedRange<Duration> { values.durations }
}

/// Why a value of a setting is not allowed, for the errors of the libraries.
package struct SettingViolation: Error, Hashable, Sendable {
    /// Name of the option, and the object that it is a setting of.
    package let name: String
    package let value: String
    /// The allowed values in plain text.
    package let allowed: String
}
