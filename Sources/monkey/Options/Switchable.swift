/// A setting that can be disabled with the value `off`.
enum Switchable<Value> {
    case off
    case on(Value)

    init(_ value: Value?) {
        self = value.map(Self.on) ?? .off
    }

    var value: Value? {
        if case .on(let value) = self { value } else { nil }
    }
}

extension Switchable: Sendable where Value: Sendable {}
extension Switchable: Equatable where Value: Equatable {}

extension Switchable: CustomStringConvertible where Value: CustomStringConvertible {
    var description: String { value?.description ?? "off" }
}
