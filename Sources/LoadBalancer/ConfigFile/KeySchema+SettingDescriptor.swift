import TCPProxy

// Keys whose name, values, default and description come from a setting's definition.

extension KeySchema {
    /// Creates a key for a setting.
    ///
    /// - Parameters:
    ///   - alias: another accepted name of the key.
    ///   - valueSchema: format of the value.
    init<Setting, Value: Equatable & Sendable>(
        _ setting: SettingDescriptor<Setting>,
        alias: String? = nil,
        _ path: any WritableKeyPath<Entry, Value> & Sendable,
        _ valueSchema: ValueSchema<Value>,
        in empty: Entry
    ) {
        var valueSchema = valueSchema
        valueSchema.allowed = setting.allowed ?? valueSchema.allowed
        self.init(
            setting.name,
            alias: alias,
            path,
            valueSchema,
            in: empty,
            standard: setting.defaultText,
            setting.help
        )
    }

    init(_ setting: SettingDescriptor<Bool>, _ path: any WritableKeyPath<Entry, Bool> & Sendable, in empty: Entry) {
        self.init(setting, path, .boolean, in: empty)
    }

    init(_ setting: SettingDescriptor<Int>, _ path: any WritableKeyPath<Entry, Int> & Sendable, in empty: Entry) {
        self.init(setting, path, .wholeNumber(setting.values.numbers), in: empty)
    }

    init(_ setting: SettingDescriptor<Int?>, _ path: any WritableKeyPath<Entry, Int?> & Sendable, in empty: Entry) {
        self.init(setting, path, .optional(.wholeNumber(setting.values.numbers)), in: empty)
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
        self.init(setting, path, .orOff(.duration(setting.values)), in: empty)
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

extension ValueSchema where Value == Duration {
    /// The durations that a setting can have.
    fileprivate static func duration(_ values: SettingValues) -> Self {
        if case .wholeSeconds(let range) = values { .wholeSeconds(range) } else { .duration(values.durations) }
    }
}

extension ValueSchema where Value == String {
    /// The texts that a setting can have.
    static func text(_ setting: SettingDescriptor<String?>, example: String) -> Self {
        .text(setting.values.numbers, example: example)
    }
}
