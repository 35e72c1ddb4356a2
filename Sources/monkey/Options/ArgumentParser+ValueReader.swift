import ArgumentParser

// The parser prints the defaults only of types that it parses itself, without a custom error message, so the defaults
// are added to the help text here.

extension Option where Value: CustomStringConvertible {
    /// Creates an option with a default.
    init(
        wrappedValue: Value,
        name: NameSpecification = .long,
        _ reader: ValueReader<Value>,
        _ help: String
    ) {
        self.init(
            wrappedValue: wrappedValue,
            name: name,
            help: ArgumentHelp("\(help) (default: \(wrappedValue))", valueName: reader.name),
            transform: reader.read
        )
    }
}

extension Option {
    /// Creates an optional option.
    init<Wrapped>(_ reader: ValueReader<Wrapped>, _ help: String) where Value == Wrapped? {
        self.init(help: ArgumentHelp(help, valueName: reader.name), transform: reader.read)
    }

    /// Creates a repeatable option.
    init<Element>(wrappedValue: [Element], _ reader: ValueReader<Element>, _ help: String) where Value == [Element] {
        self.init(
            wrappedValue: wrappedValue,
            help: ArgumentHelp(help, valueName: reader.name),
            transform: reader.read
        )
    }
}

extension Argument where Value: CustomStringConvertible {
    /// Creates an argument with a default.
    init(wrappedValue: Value, _ reader: ValueReader<Value>, named name: String? = nil, _ help: String) {
        self.init(
            wrappedValue: wrappedValue,
            help: ArgumentHelp("\(help) (default: \(wrappedValue))", valueName: name ?? reader.name),
            transform: reader.read
        )
    }
}
