/// When the line with the totals is written.
package enum SummaryInterval: Hashable, Sendable {
    /// The default: at an interval, if standard output is a terminal. A log needs no such lines: metrics have the values.
    case onTerminal(Duration)
    case every(Duration)
    case off

    /// Creates the interval that an option or a key selects.
    ///
    /// - Parameter setting: nil if it is not given; a nil interval if it is `off`.
    package init(_ setting: Duration??) {
        switch setting {
        case nil: self = .onTerminal(ConfigurationFile.Settings.summary.defaultValue ?? .seconds(10))
        case .some(let interval): self = interval.map(Self.every) ?? .off
        }
    }

    /// Returns the interval; nil if the line is not written.
    ///
    /// - Parameter isTerminal: whether standard output is a terminal.
    package func interval(isTerminal: Bool) -> Duration? {
        switch self {
        case .onTerminal(let interval): isTerminal ? interval : nil
        case .every(let interval): interval
        case .off: nil
        }
    }
}

extension ValueSchema where Value == SummaryInterval {
    static var summaryInterval: Self {
        let schema = ValueSchema<Duration?>.orOff(.duration(ConfigurationFile.Settings.summary.values.durations))
        return Self(name: schema.name, allowed: schema.allowed, schema: schema.schema) { interval in
            interval.interval(isTerminal: true).flatMap { schema.write($0) } ?? "off"
        } read: { node, diagnostics in
            schema.read(node, &diagnostics).map { SummaryInterval(.some($0)) }
        }
    }
}
