import ArgumentParser
import LoadTester
import Sockets

/// The values of `--mode`.
enum LoadMode: String, CaseIterable {
    case echo, request, connect, handshake, upload, download, both, hold, script

    var isBulk: Bool { self == .upload || self == .download || self == .both }
}

/// A target as written. Its address is parsed after all arguments, so that an unknown option is reported instead of
/// its value, which the parser counts as a target.
struct LoadTarget {
    let text: String

    func address() throws -> ServiceAddress {
        do {
            let address = try ValueReader<ServiceAddress>.address.read(text)
            if address.port == 0 {
                throw CommandError("port 0 is not the port of a server: write the port it listens on")
            }
            return address
        } catch let error as AddressParseError {
            throw ValidationError("invalid target '\(text)': \(error.targetDescription)")
        } catch {
            throw ValidationError("invalid target '\(text)': \(error)")
        }
    }
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
    static var ramp: Self {
        Self(name: "ramp") { text in
            guard text.contains("..") else {
                throw CommandError(
                    "'\(text)' is not a range: write two rates and a time, such as '0..50000/s over 30s'"
                )
            }
            return try LoadTest.RateProfile(parsing: text)
        }
    }
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
