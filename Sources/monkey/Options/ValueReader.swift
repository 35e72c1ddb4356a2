import Sockets

/// A parser of one kind of argument value, and its name in the help.
///
/// The argument parser prefixes an error with the argument's name, so the error states only the expected format.
struct ValueReader<Value>: Sendable {
    let name: String
    let read: @Sendable (String) throws -> Value
}

extension ValueReader where Value == DurationValue {
    static func duration(_ range: ClosedRange<Duration> = .zero...DurationValue.longest) -> Self {
        Self(name: "duration") { text in try DurationValue(parsing: text, in: range) }
    }
}

extension ValueReader where Value == Switchable<DurationValue> {
    /// Parses a duration, or `off`. Zero is rejected: in some programs it means "immediately" and in others "never".
    static func durationOrOff(
        _ range: ClosedRange<Duration> = .milliseconds(1)...DurationValue.longest
    ) -> Self {
        let duration = ValueReader<DurationValue>.duration(range)
        return Self(name: "duration") { text in
            if text == "off" { return .off }
            do {
                return try .on(duration.read(text))
            } catch {
                throw CommandError("\(error), or off")
            }
        }
    }

    /// Parses a duration of whole seconds, for settings that the kernel counts in seconds, or `off`.
    static func wholeSecondsOrOff(_ range: ClosedRange<Duration>) -> Self {
        let duration = durationOrOff(range)
        return Self(name: "duration") { text in
            let value = try duration.read(text)
            guard value.value?.duration.components.attoseconds ?? 0 == 0 else {
                throw CommandError("it is not a whole number of seconds: write whole seconds, such as 60s")
            }
            return value
        }
    }
}

/// Maximum size in bytes of a request, a response or a write of the echo server and the load tester.
let maxMessageSize = 1 << 30

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

extension ValueReader where Value == ServiceAddress {
    static var address: Self {
        Self(name: "address") { text in try ServiceAddress(parsing: text) }
    }
}

extension ValueReader where Value == Switchable<ServiceAddress> {
    static var addressOrOff: Self {
        Self(name: "address") { text in
            if text == "off" { return .off }
            do {
                return try .on(ServiceAddress(parsing: text))
            } catch {
                throw CommandError("\(error), or write off")
            }
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
