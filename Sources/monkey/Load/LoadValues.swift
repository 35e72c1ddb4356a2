import ArgumentParser
import LoadTester
import Sockets

/// The modes, as they are written.
enum LoadMode: String, CaseIterable, ExpressibleByArgument {
    case echo, request, connect, upload, download, both, hold, script

    var isBulk: Bool { self == .upload || self == .download || self == .both }
}

enum ConnectionEnd: String, CaseIterable, ExpressibleByArgument {
    case fin, reset

    var ending: Ending { self == .fin ? .fin : .reset }
}

enum LoadArrivals: String, CaseIterable, ExpressibleByArgument {
    case constant, poisson

    var arrivals: Arrivals { self == .constant ? .constant : .poisson }
}

/// A rate, or `max`.
struct LoadPace: Equatable {
    let pace: Pace

    init(parsing text: String) throws {
        pace = text == "max" ? .flatOut : .rate(try RateProfile(parsing: text))
    }
}

/// A number of bytes as it is written: `64`, `16K`, `1M`, in units of 1024.
struct ByteSize: Equatable {
    let bytes: Int

    /// - Throws: ``Failure``, which says how to write one.
    init(parsing text: String) throws(Failure) {
        let units: [Character: Int] = ["K": 1 << 10, "M": 1 << 20, "G": 1 << 30]
        let unit = text.last.flatMap { units[$0] }
        let digits = unit == nil ? text[...] : text.dropLast()
        guard let number = Int(digits), (0...(1 << 30)).contains(number), number * (unit ?? 1) <= 1 << 30 else {
            throw Failure("write a number of bytes up to 1G, such as 64, 16K or 1M")
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
    /// IP addresses with commas between them.
    static var hostAddresses: Self {
        Self(name: "addresses") { text in
            try text.split(separator: ",").map { try ValueReader<InternetAddress>.hostAddress.read(String($0)) }
        }
    }
}
