import ArgumentParser
import ValueFormats

// Options whose name, values, default and description come from a setting's definition.

extension SettingDescriptor {
    /// Returns the help of the option in plain text: the description, the allowed values and the default.
    ///
    /// - Parameters:
    ///   - text: the default as written on the command line.
    ///   - allowed: the allowed values, if they are others than in the configuration file.
    func optionHelp(default text: String, allowed: String? = nil, isRepeatable: Bool = false) -> String {
        let values = (allowed ?? self.allowed).map { "\($0); " } ?? ""
        let repetition = isRepeatable ? " Can be repeated." : ""
        return "\(help)\(repetition) (\(values)default: \(defaultText ?? text))".replacing("`", with: "")
    }
}

extension Option {
    /// Creates an option that is not set by default.
    ///
    /// - Parameter allowed: the allowed values in Markdown, if they are others than in the configuration file.
    init<Setting, Wrapped>(
        _ setting: SettingDescriptor<Setting>,
        _ reader: ValueReader<Wrapped>,
        allowed: String? = nil
    ) where Value == Wrapped? {
        self.init(
            name: .customLong(setting.option),
            help: ArgumentHelp(setting.optionHelp(default: "none", allowed: allowed), valueName: reader.name),
            transform: reader.read
        )
    }

    /// Creates an option that is nil if it is not given, so that the command can tell.
    init<Wrapped: CustomStringConvertible>(_ setting: SettingDescriptor<Wrapped>, _ reader: ValueReader<Wrapped>)
    where Value == Wrapped? {
        self.init(
            name: .customLong(setting.option),
            help: ArgumentHelp(setting.optionHelp(default: "\(setting.defaultValue)"), valueName: reader.name),
            transform: reader.read
        )
    }

    /// Creates an option for a word that is nil if it is not given, so that the command can tell.
    init<Wrapped: RawRepresentable & CaseIterable & Sendable>(_ setting: SettingDescriptor<Wrapped>, named name: String)
    where Value == Wrapped?, Wrapped.RawValue == String {
        self.init(
            name: .customLong(setting.option),
            help: ArgumentHelp(setting.optionHelp(default: setting.defaultValue.rawValue), valueName: name),
            transform: ValueReader<Wrapped>.word(named: name).read
        )
    }

    /// Creates an option that `off` disables.
    ///
    /// - Parameter alias: another name of the option.
    init<Setting, Wrapped>(
        _ setting: SettingDescriptor<Setting>,
        alias: String? = nil,
        _ reader: ValueReader<Wrapped>,
        default standard: Wrapped? = nil
    ) where Value == Switchable<Wrapped> {
        self.init(
            wrappedValue: Switchable(standard),
            name: NameSpecification([.customLong(setting.option)] + (alias.map { [.customLong($0)] } ?? [])),
            help: ArgumentHelp(setting.optionHelp(default: standard.map { "\($0)" } ?? "off"), valueName: reader.name),
            transform: ValueReader<Value>.orOff(reader).read
        )
    }

    /// Creates a repeatable option.
    init<Element>(_ setting: SettingDescriptor<[Element]>, _ reader: ValueReader<Element>) where Value == [Element] {
        self.init(
            wrappedValue: setting.defaultValue,
            name: .customLong(setting.option),
            help: ArgumentHelp(setting.optionHelp(default: "none", isRepeatable: true), valueName: reader.name),
            transform: reader.read
        )
    }

    /// Creates an option for a setting whose values have another format than in the configuration file.
    ///
    /// - Parameter allowed: the allowed values in Markdown.
    init<Setting>(
        wrappedValue: Value,
        _ setting: SettingDescriptor<Setting>,
        _ reader: ValueReader<Value>,
        allowed: String? = nil
    ) where Value: CustomStringConvertible {
        self.init(
            wrappedValue: wrappedValue,
            name: .customLong(setting.option),
            help: ArgumentHelp(
                setting.optionHelp(default: "\(wrappedValue)", allowed: allowed),
                valueName: reader.name
            ),
            transform: reader.read
        )
    }
}

extension Option where Value == Int {
    init(_ setting: SettingDescriptor<Int>) {
        self.init(wrappedValue: setting.defaultValue, setting, .wholeNumber(setting.values.numbers))
    }
}

extension Option where Value == Int? {
    init(_ setting: SettingDescriptor<Int?>) { self.init(setting, .wholeNumber(setting.values.numbers)) }
}

extension Option where Value == DurationValue {
    init(_ setting: SettingDescriptor<Duration>) {
        self.init(wrappedValue: DurationValue(setting.defaultValue), setting, .duration(setting.values))
    }
}

extension Option where Value == Switchable<DurationValue> {
    init(_ setting: SettingDescriptor<Duration?>) {
        self.init(setting, .duration(setting.values), default: setting.defaultValue.map(DurationValue.init))
    }
}

extension Option where Value == Switchable<DurationValue>? {
    /// Creates an option that is nil if it is not given, so that the command can tell.
    init(_ setting: SettingDescriptor<Duration?>) {
        let reader = ValueReader<DurationValue>.duration(setting.values)
        self.init(
            name: .customLong(setting.option),
            help: ArgumentHelp(setting.optionHelp(default: "off"), valueName: reader.name),
            transform: ValueReader<Switchable<DurationValue>>.orOff(reader).read
        )
    }
}

extension Option where Value == DurationValue? {
    /// Creates an option that is nil if it is not given, so that the command can tell.
    init(_ setting: SettingDescriptor<Duration>) {
        self.init(
            name: .customLong(setting.option),
            help: ArgumentHelp(
                setting.optionHelp(default: "\(DurationValue(setting.defaultValue))"),
                valueName: ValueReader<DurationValue>.duration().name
            ),
            transform: ValueReader<DurationValue>.duration(setting.values).read
        )
    }
}

extension Option where Value == ByteSizeValue? {
    init(_ setting: SettingDescriptor<Int?>) { self.init(setting, .size(setting.values.numbers)) }

    /// Creates an option that is nil if it is not given, so that the command can tell.
    init(_ setting: SettingDescriptor<Int>) {
        let reader = ValueReader<ByteSizeValue>.size(setting.values.numbers)
        self.init(
            name: .customLong(setting.option),
            help: ArgumentHelp(
                setting.optionHelp(default: "\(ByteSizeValue(setting.defaultValue))"),
                valueName: reader.name
            ),
            transform: reader.read
        )
    }
}

extension Option where Value == String? {
    init(_ setting: SettingDescriptor<String?>, named name: String) {
        self.init(setting, .text(setting.values.numbers, named: name))
    }
}

extension Option where Value == String {
    /// - Parameter short: a short name of the option.
    init(_ setting: SettingDescriptor<String>, short: Character, named name: String) {
        self.init(
            wrappedValue: setting.defaultValue,
            name: [.customLong(setting.option), .customShort(short)],
            help: ArgumentHelp(setting.optionHelp(default: setting.defaultValue), valueName: name),
            transform: ValueReader<String>.text(setting.values.numbers, named: name).read
        )
    }
}

extension Option where Value == Switchable<String> {
    init(_ setting: SettingDescriptor<String?>, named name: String) {
        self.init(setting, .text(setting.values.numbers, named: name), default: setting.defaultValue)
    }
}

extension Option where Value: RawRepresentable & CaseIterable & Sendable, Value.RawValue == String {
    init(_ setting: SettingDescriptor<Value>, named name: String) {
        let reader = ValueReader<Value>.word(named: name)
        self.init(
            wrappedValue: setting.defaultValue,
            name: .customLong(setting.option),
            help: ArgumentHelp(setting.optionHelp(default: setting.defaultValue.rawValue), valueName: name),
            transform: reader.read
        )
    }
}

extension Flag where Value == Bool {
    /// Creates a flag for a setting that is off by default.
    init(_ setting: SettingDescriptor<Bool>) {
        self.init(
            wrappedValue: setting.defaultValue,
            name: .customLong(setting.option),
            help: ArgumentHelp(setting.help.replacing("`", with: ""))
        )
    }

    /// Creates a pair of flags, of which one enables and the other disables a setting.
    init(_ setting: SettingDescriptor<Bool>, inversion: FlagInversion) {
        self.init(
            wrappedValue: setting.defaultValue,
            name: .customLong(setting.option),
            inversion: inversion,
            help: ArgumentHelp(setting.help.replacing("`", with: ""))
        )
    }
}

extension Argument {
    /// Creates an argument with a default.
    init<Setting>(wrappedValue: Value, _ setting: SettingDescriptor<Setting>, _ reader: ValueReader<Value>)
    where Value: CustomStringConvertible {
        let text = "\(setting.help) (\(setting.allowed.map { "\($0); " } ?? "")default: \(wrappedValue))"
        self.init(
            wrappedValue: wrappedValue,
            help: ArgumentHelp(text.replacing("`", with: ""), valueName: setting.name),
            transform: reader.read
        )
    }

    /// Creates an argument that takes one or more values.
    init<Element>(_ setting: SettingDescriptor<[Element]>, _ reader: ValueReader<Element>) where Value == [Element] {
        self.init(setting, transform: reader.read)
    }

    /// Creates an argument that takes one or more values, of another type than those of the setting.
    init<Setting, Element>(
        _ setting: SettingDescriptor<[Setting]>,
        transform: @Sendable @escaping (String) throws -> Element
    ) where Value == [Element] {
        self.init(
            help: ArgumentHelp(setting.help.replacing("`", with: ""), valueName: setting.name),
            transform: transform
        )
    }

    /// Creates a required argument.
    init<Setting>(_ setting: SettingDescriptor<Setting>, _ reader: ValueReader<Value>) {
        let text = "\(setting.help)\(setting.allowed.map { " (\($0))" } ?? "")"
        self.init(
            help: ArgumentHelp(text.replacing("`", with: ""), valueName: setting.name),
            transform: reader.read
        )
    }
}

extension Argument where Value == String {
    init(_ setting: SettingDescriptor<String?>, named name: String) {
        self.init(
            help: ArgumentHelp(setting.help.replacing("`", with: ""), valueName: name),
            transform: ValueReader<String>.text(setting.values.numbers, named: name).read
        )
    }
}

extension Argument where Value == String? {
    init(_ setting: SettingDescriptor<String?>, named name: String) {
        self.init(
            help: ArgumentHelp(setting.help.replacing("`", with: ""), valueName: name),
            transform: ValueReader<String>.text(setting.values.numbers, named: name).read
        )
    }
}

extension ValueReader where Value == DurationValue {
    /// The durations that a setting can have.
    fileprivate static func duration(_ values: SettingValues) -> Self {
        if case .wholeSeconds(let range) = values { .wholeSeconds(range) } else { .duration(values.durations) }
    }
}
