import ArgumentParser

/// A group of options that is defined once and then copied.
///
/// The parser creates a group whenever it needs the definitions of its options, in a debug build a hundred times for one
/// command line, because that also validates them. The definitions contain the help, whose text takes most of the time.
protocol ReusedOptions: ParsableArguments {
    static var definition: Self { get }
}

extension ReusedOptions {
    init() { self = Self.definition }
}
