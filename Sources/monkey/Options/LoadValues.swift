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

    var ending: LoadTest.ConnectionEnding { self == .fin ? .fin : .reset }
}

enum LoadArrivals: String, CaseIterable, ExpressibleByArgument {
    case constant, poisson

    var arrivals: LoadTest.Arrivals { self == .constant ? .constant : .poisson }
}

/// The value of `--rate`: a rate, or `max`.
struct LoadPace: Equatable {
    let pace: LoadTest.Pace

    init(parsing text: String) throws {
        pace = text == "max" ? .closedLoop : .rate(try LoadTest.RateProfile(parsing: text))
    }
}

extension ValueReader where Value == LoadPace {
    static var pace: Self { Self(name: "rate") { text in try LoadPace(parsing: text) } }
}

extension ValueReader where Value == LoadTest.RateProfile {
    static var ramp: Self { Self(name: "ramp") { text in try LoadTest.RateProfile(parsing: text) } }
}

extension ValueReader where Value == LoadTest.Assertion {
    static var condition: Self { Self(name: "condition") { text in try LoadTest.Assertion(parsing: text) } }
}

extension ValueReader where Value == [InternetAddress] {
    /// Parses comma-separated IP addresses.
    static var hostAddresses: Self {
        Self(name: "addresses") { text in
            try text.split(separator: ",").map { try ValueReader<InternetAddress>.hostAddress.read(String($0)) }
        }
    }
}
