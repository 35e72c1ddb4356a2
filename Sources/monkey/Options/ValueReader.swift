import Sockets
import ValueFormats

/// A parser of one kind of argument value, and its name in the help.
///
/// The argument parser prefixes an error with the argument's name, so the error states only the expected format.
struct ValueReader<Value>: Sendable {
    let name: String
    let read: @Sendable (String) throws -> Value
}

extension ValueReader where Value == DurationValue {
    static func duration(_ range: ClosedRange<Duration> = .zero...DurationValue.maxDuration) -> Self {
        Self(name: "duration") { text in try DurationValue(parsing: text, in: range) }
    }

    /// Parses a duration of whole seconds, for settings that the kernel counts in seconds.
    static func wholeSeconds(_ range: ClosedRange<Duration>) -> Self {
        let duration = duration(range)
        return Self(name: duration.name) { text in
            let value = try duration.read(text)
            guard value.duration.components.attoseconds == 0 else {
                throw CommandError("it is not a whole number of seconds: write whole seconds, such as 60s")
            }
            return value
        }
    }
}

extension ValueReader {
    /// Parses a value, or `off`.
    static func orOff<Wrapped>(_ reader: ValueReader<Wrapped>) -> Self where Value == Switchable<Wrapped> {
        Self(name: reader.name) { text in
            if text == "off" { return .off }
            do {
                return try .on(reader.read(text))
            } catch {
                throw CommandError("\(error), or off")
            }
        }
    }
}

extension ValueReader where Value == ByteSizeValue {
    static func size(_ range: ClosedRange<Int>) -> Self {
        Self(name: "bytes") { text in try ByteSizeValue(parsing: text, in: range) }
    }
}

extension ValueReader where Value == Int {
    static func wholeNumber(_ range: ClosedRange<Int>) -> Self {
        Self(name: "count") { text in
            guard let number = Int(text), range.contains(number) else {
                throw CommandError("write a whole number from \(range.lowerBound) to \(range.upperBound)")
            }
            return number
        }
    }
}

/// A whole percentage.
struct Percentage: Hashable, Sendable, CustomStringConvertible {
    let value: Int

    var description: String { "\(value)%" }
}

extension ValueReader where Value == Percentage {
    static func percentage(_ range: ClosedRange<Int>) -> Self {
        Self(name: "percentage") { text in
            guard text.last == "%", let value = Int(text.dropLast()), range.contains(value) else {
                throw CommandError("write a percentage from \(range.lowerBound)% to \(range.upperBound)%, such as 10%")
            }
            return Percentage(value: value)
        }
    }
}

extension ValueReader where Value == Int {
    /// Parses the permissions of a file.
    static var fileMode: Self {
        Self(name: "mode") { text in
            guard let mode = FileMode.parse(text) else { throw CommandError("write octal digits, such as 0660") }
            return mode
        }
    }
}

extension ValueReader where Value == UInt64 {
    static var number: Self {
        Self(name: "number") { text in
            guard let number = UInt64(text) else {
                throw CommandError("write a whole number from 0 to \(UInt64.max)")
            }
            return number
        }
    }
}

extension ValueReader where Value == ServiceAddress {
    static var address: Self {
        Self(name: "address") { text in try ServiceAddress(parsing: text) }
    }
}

extension ValueReader where Value == String {
    /// - Parameter lengths: allowed lengths in bytes of UTF-8.
    static func text(_ lengths: ClosedRange<Int>, named name: String) -> Self {
        Self(name: name) { text in
            guard lengths.contains(text.utf8.count) else {
                throw CommandError("write \(lengths.lowerBound) to \(lengths.upperBound) bytes")
            }
            return text
        }
    }
}

extension ValueReader where Value: RawRepresentable & CaseIterable & SendableMetatype, Value.RawValue == String {
    /// Parses one of the words of an enumeration.
    static func word(named name: String) -> Self {
        Self(name: name) { text in
            guard let value = Value(rawValue: text) else {
                throw CommandError("write one of \(Value.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            return value
        }
    }
}

extension ValueReader where Value == InternetAddress {
    /// Parses an IP address without a port.
    static var hostAddress: Self {
        Self(name: "address") { text in
            guard let address = InternetAddress(host: text, port: 0) else {
                throw CommandError("write an IP address of this machine without a port, such as 127.0.0.2 or ::1")
            }
            return address
        }
    }
}

extension ValueReader where Value == Upstream {
    static var upstream: Self {
        Self(name: "upstream") { text in try Upstream(parsing: text) }
    }
}

extension ServiceAddress {
    static func loopback(port: UInt16) -> ServiceAddress {
        .socket(.internet(InternetAddress(v4: 0x7F00_0001, port: port)))
    }
}
