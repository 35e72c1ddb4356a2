// Short forms for the recurring kinds of settings. A setting is one of them and a description:
//
//     static let idleTimeout = SettingDescriptor.durationOrOff("idle-timeout")
//         .help("Timeout for a connection without traffic in either direction.")
//
// `default` is the value that applies if the setting is not given. `unset` is for a setting that has no value then; it
// describes in Markdown what applies instead.

extension SettingDescriptor where Value: ExpressibleByNilLiteral {
    /// A setting with values of the given format; nil if it is not given.
    package init(_ name: String, _ values: SettingValues = .ofType, unset text: String) {
        self = Self(name, values, default: nil).defaultText(text)
    }

    /// A setting with values of the given format that `off` disables.
    package static func orOff(_ name: String, _ values: SettingValues = .ofType, default value: Value = nil) -> Self {
        Self(name, values, orOff: true, default: value)
    }
}

extension SettingDescriptor where Value: ExpressibleByArrayLiteral {
    /// A list of values; empty if it is not given.
    package init(_ name: String, _ values: SettingValues = .ofType, unset text: String) {
        self = Self(name, values, default: []).defaultText(text)
    }
}

extension SettingDescriptor where Value == String {
    /// A text; empty if it is not given.
    package init(_ name: String, _ values: SettingValues = .ofType, unset text: String) {
        self = Self(name, values, default: "").defaultText(text)
    }
}

extension SettingDescriptor where Value == Bool {
    /// Whether something is done.
    package static func flag(_ name: String, default value: Bool = false) -> Self { Self(name, default: value) }
}

extension SettingDescriptor where Value == Duration {
    /// A duration.
    package static func duration(_ name: String, in range: ClosedRange<Duration>, default value: Duration) -> Self {
        Self(name, .duration(range), default: value)
    }
}

extension SettingDescriptor where Value == Duration? {
    /// A duration that `off` disables.
    package static func durationOrOff(
        _ name: String,
        in range: ClosedRange<Duration> = .anyDuration,
        default value: Duration? = nil
    ) -> Self {
        Self(name, .duration(range), orOff: true, default: value)
    }
}

extension SettingDescriptor where Value == Int {
    /// A number.
    package static func count(_ name: String, in range: ClosedRange<Int>, default value: Int) -> Self {
        Self(name, .count(range), default: value)
    }

    /// A whole number of percent.
    package static func percentage(_ name: String, in range: ClosedRange<Int>, default value: Int) -> Self {
        Self(name, .percentage(range), default: value)
    }

    /// A number of bytes.
    package static func size(_ name: String, in range: ClosedRange<Int>, default value: Int) -> Self {
        Self(name, .size(range), default: value)
    }
}

extension SettingDescriptor where Value == Int? {
    /// A number; nil if it is not given.
    package static func count(_ name: String, in range: ClosedRange<Int>, unset text: String) -> Self {
        Self(name, .count(range), unset: text)
    }

    /// A number of bytes; nil if it is not given.
    package static func size(_ name: String, in range: ClosedRange<Int>, unset text: String) -> Self {
        Self(name, .size(range), unset: text)
    }
}

extension SettingDescriptor where Value: CaseIterable & RawRepresentable, Value.RawValue == String {
    /// One of several words.
    package static func word(_ name: String, default value: Value) -> Self {
        Self(name, .words(Value.self), default: value)
    }
}

extension SettingDescriptor {
    /// One of several words; nil if it is not given.
    package static func word<Word>(_ name: String, unset text: String) -> Self
    where Value == Word?, Word: CaseIterable & RawRepresentable, Word.RawValue == String {
        Self(name, .words(Word.self), unset: text)
    }

    /// One of several words, or `off`, which is the default.
    package static func wordOrOff<Word>(_ name: String) -> Self
    where Value == Word?, Word: CaseIterable & RawRepresentable, Word.RawValue == String {
        .orOff(name, .words(Word.self))
    }
}

extension SettingDescriptor where Value == String? {
    /// A text with a length in bytes of UTF-8; nil if it is not given.
    package static func text(_ name: String, of lengths: ClosedRange<Int>, unset text: String) -> Self {
        Self(name, .text(lengths), unset: text)
    }

    /// The path of a file; nil if it is not given.
    package static func path(_ name: String, unset text: String) -> Self { Self(name, .path, unset: text) }
}

extension ClosedRange<Duration> {
    /// From one millisecond to one year. Zero is excluded, because it could mean "immediately" or "never".
    package static var anyDuration: Self { .milliseconds(1)...DurationValue.maxDuration }
    /// At most one year, including zero.
    package static var anyDurationOrZero: Self { .zero...DurationValue.maxDuration }
}

extension ClosedRange<Int> {
    /// Numbers of connections.
    package static var connections: Self { 1...1_000_000 }
}
