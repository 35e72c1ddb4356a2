import ValueFormats

// Keys whose name, values, default and description come from a setting's definition.

extension KeySchema {
    init(_ setting: SettingDescriptor<Bool>, _ path: any WritableKeyPath<Entry, Bool> & Sendable, in empty: Entry) {
        self.init(setting, path, .boolean, in: empty)
    }

    init(_ setting: SettingDescriptor<Int>, _ path: any WritableKeyPath<Entry, Int> & Sendable, in empty: Entry) {
        self.init(setting, path, .number(setting.values), in: empty)
    }

    init(_ setting: SettingDescriptor<Int?>, _ path: any WritableKeyPath<Entry, Int?> & Sendable, in empty: Entry) {
        let number = ValueSchema<Int>.number(setting.values)
        self.init(setting, path, setting.canBeOff ? .orOff(number) : .optional(number), in: empty)
    }

    init(
        _ setting: SettingDescriptor<Duration>,
        _ path: any WritableKeyPath<Entry, Duration> & Sendable,
        in empty: Entry
    ) {
        self.init(setting, path, .duration(setting.values), in: empty)
    }

    init(
        _ setting: SettingDescriptor<Duration?>,
        _ path: any WritableKeyPath<Entry, Duration?> & Sendable,
        in empty: Entry
    ) {
        let duration = ValueSchema<Duration>.duration(setting.values)
        self.init(setting, path, setting.canBeOff ? .orOff(duration) : .optional(duration), in: empty)
    }

    init<Word: CaseIterable & RawRepresentable & Equatable & Sendable>(
        _ setting: SettingDescriptor<Word>,
        _ path: any WritableKeyPath<Entry, Word> & Sendable,
        in empty: Entry
    ) where Word.RawValue == String {
        self.init(setting, path, .word, in: empty)
    }

    init<Word: CaseIterable & RawRepresentable & Equatable & Sendable>(
        _ setting: SettingDescriptor<Word?>,
        _ path: any WritableKeyPath<Entry, Word?> & Sendable,
        in empty: Entry
    ) where Word.RawValue == String {
        self.init(setting, path, .orOff(.word), in: empty)
    }
}

extension KeySchema {
    /// Creates a key for a text.
    ///
    /// - Parameter example: the expected value, as the object of "must be".
    init(
        _ setting: SettingDescriptor<String>,
        _ path: any WritableKeyPath<Entry, String> & Sendable,
        example: String,
        in empty: Entry
    ) {
        self.init(setting, path, .text(setting, example: example), in: empty)
    }

    /// Creates a key for a text that is nil by default.
    ///
    /// - Parameter example: the expected value, as the object of "must be".
    init(
        _ setting: SettingDescriptor<String?>,
        _ path: any WritableKeyPath<Entry, String?> & Sendable,
        example: String,
        in empty: Entry
    ) {
        let text = ValueSchema<String>.text(setting, example: example)
        self.init(setting, path, setting.canBeOff ? .orOff(text) : .optional(text), in: empty)
    }

    /// Creates a key for a number of bytes.
    init(
        _ setting: SettingDescriptor<Int?>,
        _ path: any WritableKeyPath<Entry, ByteSizeValue?> & Sendable,
        in empty: Entry
    ) {
        let size = ValueSchema<ByteSizeValue>.size(setting.values.numbers)
        self.init(setting, path, setting.canBeOff ? .orOff(size) : .optional(size), in: empty)
    }
}

extension ValueSchema where Value == Duration {
    /// The durations that a setting can have.
    fileprivate static func duration(_ values: SettingValues) -> Self {
        if case .wholeSeconds(let range) = values { .wholeSeconds(range) } else { .duration(values.durations) }
    }
}

extension ValueSchema where Value == Int {
    /// The numbers that a setting can have.
    fileprivate static func number(_ values: SettingValues) -> Self {
        if case .percentage(let range) = values { .share(range) } else { .wholeNumber(values.numbers) }
    }
}

extension ValueSchema where Value == String {
    /// The texts that a setting can have.
    static func text<Setting>(_ setting: SettingDescriptor<Setting>, example: String) -> Self {
        switch setting.values {
        case .visibleText(let lengths): .visible(lengths, example: example)
        case .binaryText(let lengths): .text(lengths, allowsZeroBytes: true, example: example)
        default: .text(setting.values.numbers, example: example)
        }
    }
}
