import ArgumentParser
import LoadTester
import Sockets

/// The values of `--mode`.
enum LoadMode: String, CaseIterable, ExpressibleByArgument {
    case echo, request, connect, upload, download, both, hold, script

    var isBulk: Bool { self == .upload || self == .download || self == .both }
}

enum ConnectionEnd: String, CaseIterable, ExpressibleByArgument {
    case fin, reset

    var ending: ConnectionEnding { self == .fin ? .fin : .reset }
}

enum LoadArrivals: String, CaseIterable, ExpressibleByArgument {
    case constant, poisson

    var arrivals: Arrivals { self == .constant ? .constant : .poisson }
}

/// The value of `--rate`: a rate, or `max`.
struct LoadPace: Equatable {
    let pace: Pace

    init(parsing text: String) throws {
        pace = text == "max" ? .closedLoop : .rate(try RateProfile(parsing: text))
    }
}

/// A number of bytes in units of 1024: `64`, `16K`, `1M`.
struct ByteSize: Equatable {
    let bytes: Int

    /// - Throws: ``CommandError``, which states the expected format.
    init(parsing text: String) throws(CommandError) {
        let units: [Character: Int] = ["K": 1 << 10, "M": 1 << 20, "G": 1 << 30]
        let unit = text.last.flatMap { units[$0] }
        let digits = unit == nil ? text[...] : text.dropLast()
        guard let number = Int(digits), (0...(1 << 30)).contains(number), number * (unit ?? 1) <= 1 << 30 else {
            throw CommandError("write a number of bytes up to 1G, such as 64, 16K or 1M")
        }
        bytes = number * (unit ?? 1)
    }
}

extension ValueReader where Value == ByteSize {
    static var byteSize: Self { Self(name: "bytes") { text in try ByteSize(parsing: text) } }
}

extension ValueReader where Value == LoadPace {
    static var pace: Self { Self(name: "rate") { text in try LoadPace(parsing: text) } }
}

extension ValueReader where Value == RateProfile {
    static var ramp: Self { Self(name: "ramp") { text in try RateProfile(parsing: text) } }
}

extension ValueReader where Value == Assertion {
    static var condition: Self { Self(name: "condition") { text in try Assertion(parsing: text) } }
}

extension ValueReader where Value == [InternetAddress] {
    /// Parses comma-separated IP addresses.
    static var hostAddresses: Self {
        Self(name: "addresses") { text in
            try text.split(separator: ",").map { try ValueReader<InternetAddress>.hostAddress.read(String($0)) }
        }
    }
}
