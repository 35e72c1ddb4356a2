import ArgumentParser

// The parser tells the defaults of those types alone that it reads without a reason for failing, so here they are put into
// the help.

extension Option where Value: CustomStringConvertible {
    /// An option with a default.
    init(wrappedValue: Value, _ reader: ValueReader<Value>, _ help: String) {
        self.init(
            wrappedValue: wrappedValue,
            help: ArgumentHelp("\(help) (default: \(wrappedValue))", valueName: reader.name),
            transform: reader.read
        )
    }
}

extension Option {
    /// An option that need not be given.
    init<Wrapped>(_ reader: ValueReader<Wrapped>, _ help: String) where Value == Wrapped? {
        self.init(help: ArgumentHelp(help, valueName: reader.name), transform: reader.read)
    }

    /// An option that may be given several times.
    init<Element>(wrappedValue: [Element], _ reader: ValueReader<Element>, _ help: String) where Value == [Element] {
        self.init(
            wrappedValue: wrappedValue,
            help: ArgumentHelp(help, valueName: reader.name),
            transform: reader.read
        )
    }
}

extension Argument where Value: CustomStringConvertible {
    /// An argument with a default.
    init(wrappedValue: Value, _ reader: ValueReader<Value>, named name: String? = nil, _ help: String) {
        self.init(
            wrappedValue: wrappedValue,
            help: ArgumentHelp("\(help) (default: \(wrappedValue))", valueName: name ?? reader.name),
            transform: reader.read
        )
    }
}

extension Option where Value: RawRepresentable & CaseIterable & SendableMetatype, Value.RawValue == String {
    /// An option that is one of some words.
    init(wrappedValue: Value, choice help: String, named name: String) {
        let words = Value.allCases.map(\.rawValue).joined(separator: ", ")
        self.init(
            wrappedValue: wrappedValue,
            help: ArgumentHelp("\(help) (values: \(words); default: \(wrappedValue.rawValue))", valueName: name),
            transform: { text in
                guard let value = Value(rawValue: text) else { throw Failure("write one of \(words)") }
                return value
            }
        )
    }
}
