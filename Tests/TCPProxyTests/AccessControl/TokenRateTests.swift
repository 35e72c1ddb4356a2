import Testing

@testable import TCPProxy

@Suite("Token rate format")
struct TokenRateTests {
    @Test("rates per second, minute and hour are parsed, with a burst")
    func rates() throws {
        #expect(try TokenRate(parsing: "100/s") == TokenRate(100, burst: 100))
        #expect(try TokenRate(parsing: "30/m") == TokenRate(30, per: .seconds(60), burst: 30))
        #expect(try TokenRate(parsing: "1/h") == TokenRate(1, per: .seconds(3600), burst: 1))
        #expect(try TokenRate(parsing: "10/s,burst=50") == TokenRate(10, burst: 50))
        #expect(try TokenRate(parsing: "1000000000/s") == TokenRate(1_000_000_000, burst: TokenRate.maxBurst))
    }

    @Test(
        "an invalid rate is an error that states the format",
        arguments: [
            ("", TokenRateError.notation), ("10", .notation), ("10/", .notation), ("/s", .notation), ("0/s", .notation),
            ("-1/s", .notation), ("10/d", .notation), ("1000000001/s", .notation),
            ("9999999999999999999999/s", .notation),
            ("10/s,", .burst), ("10/s,burst", .burst), ("10/s,burst=0", .burst), ("10/s,burst=1000001", .burst),
            ("10/s,peak=5", .burst), ("1/h,burst=1000000", .filling),
        ]
    )
    func mistakes(text: String, error: TokenRateError) {
        #expect(throws: error) { try TokenRate(parsing: text) }
    }
}
