import Randomness
import Sockets
import Synchronization
import Testing

@testable import TCPProxy

@Suite("Per-client limiter")
struct PerClientLimiterTests {
    private static let start = Instant(nanoseconds: 1_000_000_000_000)

    private func client(_ number: Int) -> InternetAddress {
        InternetAddress(v4: 0x0A00_0000 + UInt32(number), port: UInt16(truncatingIfNeeded: number))
    }

    private func limit(connections: Int? = nil, _ tokens: Int? = nil, burst: Int = 1) throws -> PerClientLimiter.Limit {
        var limit = PerClientLimiter.Limit(connections: connections)
        if let tokens {
            let rate = try #require(TokenRate(tokens, burst: burst))
            limit.rate = rate
        }
        return limit
    }

    private func withLimits<Result>(
        capacity: Int = 1000,
        ipv6PrefixLength: Int = 128,
        _ body: (PerClientLimiter) throws -> Result
    ) rethrows -> Result {
        let limits = PerClientLimiter(capacity: capacity, ipv6PrefixLength: ipv6PrefixLength, seed: 42)
        defer { limits.free() }
        return try body(limits)
    }

    @Test("a client has up to its maximum of connections over all ports, and may replace ended ones")
    func connections() throws {
        let limit = try limit(connections: 2)
        withLimits { limits in
            var client = client(1)
            #expect(limits.reserve(client, limit, at: Self.start) == .admitted)
            client.port = 9
            #expect(limits.reserve(client, limit, at: Self.start) == .admitted)
            #expect(limits.reserve(client, limit, at: Self.start) == .tooManyConnections)
            #expect(limits.reserve(self.client(2), limit, at: Self.start) == .admitted)
            limits.release(client, at: Self.start)
            #expect(limits.reserve(client, limit, at: Self.start) == .admitted)
            #expect(limits.reserve(client, limit, at: Self.start) == .tooManyConnections)
            // Another limit, as after a reload of the configuration.
            #expect(limits.reserve(client, PerClientLimiter.Limit(connections: 3), at: Self.start) == .admitted)
            #expect(limits.reserve(client, PerClientLimiter.Limit(), at: Self.start) == .admitted)
            let none = PerClientLimiter.Limit(connections: 0)
            #expect(limits.reserve(self.client(3), none, at: Self.start) == .tooManyConnections)
            #expect(limits.figures == (2, 0))
        }
    }

    @Test("a client's rate is limited; a denied connection takes no token and no connection")
    func rate() throws {
        let limit = try limit(connections: 3, 10, burst: 2)
        withLimits { limits in
            #expect(limits.reserve(client(1), limit, at: Self.start) == .admitted)
            #expect(limits.reserve(client(1), limit, at: Self.start) == .admitted)
            for _ in 0..<10 { #expect(limits.reserve(client(1), limit, at: Self.start) == .tooFast) }
            let later = Self.start + .milliseconds(100)
            #expect(limits.reserve(client(1), limit, at: later) == .admitted)
            for _ in 0..<10 {
                #expect(limits.reserve(client(1), limit, at: later + .seconds(1)) == .tooManyConnections)
            }
            for _ in 0..<3 { limits.release(client(1), at: later + .seconds(1)) }
            #expect(limits.figures.clients == 0)
        }
    }

    @Test("a client without connections is remembered until its bucket is full")
    func forgets() throws {
        let limit = try limit(connections: 1, 1, burst: 2)
        withLimits { limits in
            for _ in 0..<2 {
                #expect(limits.reserve(client(1), limit, at: Self.start) == .admitted)
                limits.release(client(1), at: Self.start)
            }
            #expect(limits.figures.clients == 1)
            // The client must not return as an unknown one with a full bucket.
            #expect(limits.reserve(client(1), limit, at: Self.start + .milliseconds(999)) == .tooFast)
            #expect(limits.reserve(client(1), limit, at: Self.start + .seconds(1)) == .admitted)
            limits.release(client(1), at: Self.start + .seconds(10))
            #expect(limits.figures.clients == 0)
        }
    }

    @Test("without room, a new client replaces the one without connections whose bucket is nearest to full")
    func makesWay() throws {
        let limit = try limit(1, burst: 1)
        withLimits(capacity: 1) { limits in
            for number in 0..<5000 {
                #expect(limits.reserve(client(number), limit, at: Self.start) == .admitted)
                limits.release(client(number), at: Self.start)
            }
            #expect(limits.figures.refusals == 0)
            #expect(limits.figures.clients <= 64)
        }
        let slow = try self.limit(1, burst: 1000)
        withLimits(capacity: 64) { limits in
            // The client that has used much of its burst is remembered while others come and go.
            for _ in 0..<1000 {
                #expect(limits.reserve(client(0), slow, at: Self.start) == .admitted)
                limits.release(client(0), at: Self.start)
            }
            for number in 1..<5000 {
                #expect(limits.reserve(client(number), slow, at: Self.start) == .admitted)
                limits.release(client(number), at: Self.start)
            }
            #expect(limits.reserve(client(0), slow, at: Self.start) == .tooFast)
        }
    }

    @Test("80,000 /64 networks of one /48 do not lock out other clients, and share few permits")
    func oneNetwork() throws {
        let rate = try #require(TokenRate(10, per: .seconds(3600), burst: 10))
        let limit = PerClientLimiter.Limit(connections: nil, rate: rate)
        func ipv6(_ network: UInt64, _ subnet: Int) -> InternetAddress {
            InternetAddress(high: 0x2001_0DB8_0000_0000 | network << 16 | UInt64(subnet & 0xFFFF), low: 1, port: 1)
        }
        withLimits(capacity: 65_536, ipv6PrefixLength: 64) { limits in
            var admitted = 0
            for number in 0..<80_000 {
                let attacker = ipv6(1, number)
                let (admission, grouping) = limits.admit(attacker, limit, at: Self.start)
                if admission == .admitted {
                    admitted += 1
                    limits.release(attacker, as: grouping, at: Self.start)
                } else {
                    #expect(admission == .tooFast)
                }
            }
            // Half of the table with its margin, of which 14,464 connect twice; then ten for each /56 and for the /48.
            #expect(admitted <= 64 * 608 + 14_464 + 10 * 257)
            for number in 0..<1000 {
                #expect(limits.reserve(ipv6(UInt64(2 + number), 0), limit, at: Self.start) == .admitted)
                #expect(limits.reserve(client(number), limit, at: Self.start) == .admitted)
                for _ in 1..<10 { #expect(limits.reserve(client(number), limit, at: Self.start) == .admitted) }
                #expect(limits.reserve(client(number), limit, at: Self.start) == .tooFast)
            }
        }
    }

    @Test("many IPv6 networks with connections leave a quarter of the table to IPv4 clients")
    func quota() throws {
        let limit = PerClientLimiter.Limit(connections: 1)
        withLimits(capacity: 6400, ipv6PrefixLength: 64) { limits in
            var held: [(InternetAddress, PerClientLimiter.Grouping)] = []
            for number in 0..<20_000 {
                let client = InternetAddress(high: 0x2001_0000_0000_0000 | UInt64(number) << 16, low: 1, port: 1)
                let (admission, grouping) = limits.admit(client, limit, at: Self.start)
                if admission == .admitted { held.append((client, grouping)) }
            }
            #expect((4800...7700).contains(held.count))
            for number in 0..<1200 { #expect(limits.reserve(client(number), limit, at: Self.start) == .admitted) }
            for (client, grouping) in held { limits.release(client, as: grouping, at: Self.start) }
            for number in 0..<1200 { limits.release(client(number), at: Self.start) }
            #expect(limits.figures.clients == 0)
        }
    }

    @Test("clients with connections are never evicted, and known clients are served when the table is full")
    func full() throws {
        let limit = try limit(connections: 2)
        withLimits(capacity: 64) { limits in
            let admitted = (0..<5000).filter { limits.reserve(client($0), limit, at: Self.start) == .admitted }
            #expect(admitted.count >= 64)
            #expect(limits.figures == (admitted.count, 5000 - admitted.count))
            let later = Self.start + .seconds(86_400)
            for number in admitted {
                #expect(limits.reserve(client(number), limit, at: later) == .admitted)
                #expect(limits.reserve(client(number), limit, at: later) == .tooManyConnections)
            }
            for number in admitted {
                limits.release(client(number), at: later)
                limits.release(client(number), at: later)
            }
            #expect(limits.figures.clients == 0)
            #expect(limits.reserve(client(9999), limit, at: later) == .admitted)
        }
    }

    @Test("the table holds all clients of its capacity", arguments: [1, 100, 10_000, 65_536])
    func capacity(clients: Int) throws {
        let limit = try limit(connections: 1)
        withLimits(capacity: clients) { limits in
            let admitted = (0..<clients).count { limits.reserve(client($0), limit, at: Self.start) == .admitted }
            #expect(admitted == clients)
            #expect(limits.figures == (clients, 0))
        }
    }

    @Test("IPv6 clients are grouped by the configured prefix length, IPv4 clients by full address")
    func prefixes() throws {
        func count(_ hosts: [String], _ length: Int) throws -> Int {
            try withLimits(ipv6PrefixLength: length) { limits in
                for host in hosts {
                    let client = try #require(InternetAddress(host: host, port: 1))
                    #expect(limits.reserve(client, PerClientLimiter.Limit(), at: Self.start) == .admitted)
                }
                return limits.figures.clients
            }
        }
        let hosts = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "::ffff:192.0.2.1", "192.0.2.1", "192.0.2.2"]
        #expect(try count(hosts, 128) == 5)
        #expect(try count(hosts, 64) == 4)
        #expect(try count(hosts, 32) == 3)
        #expect(try count(["fe80::1%1", "fe80::1%2"], 128) == 2)
    }

    @Test("random operations agree with a naive model", arguments: UInt64(0)..<20)
    func againstNaive(seed: UInt64) throws {
        var generator = SplitMix64(seed: seed)
        let most = Int.random(in: 1...4, using: &generator)
        let rate = try #require(TokenRate(5, burst: 3))
        let limit = PerClientLimiter.Limit(connections: most, rate: Bool.random(using: &generator) ? rate : nil)
        withLimits(capacity: 500) { limits in
            var connections: [Int: Int] = [:]
            var buckets: [Int: TokenBucket] = [:]
            var now = Self.start
            for _ in 0..<5000 {
                now = now + .milliseconds(Int.random(in: 0...20, using: &generator))
                let number = Int.random(in: 0..<100, using: &generator)
                if Bool.random(using: &generator), let count = connections[number], count > 0 {
                    limits.release(client(number), at: now)
                    connections[number] = count - 1
                    continue
                }
                let result = limits.reserve(client(number), limit, at: now)
                if connections[number, default: 0] == most {
                    #expect(result == .tooManyConnections)
                } else if let rate = limit.rate, !buckets[number, default: TokenBucket()].take(rate, at: now) {
                    #expect(result == .tooFast)
                } else {
                    #expect(result == .admitted)
                    connections[number, default: 0] += 1
                }
            }
            let busy = connections.values.count { $0 > 0 }
            #expect(limits.figures.clients >= busy)
            #expect(limits.figures.clients <= 100)
        }
    }

    @Test("a client's limit holds across four threads, and memory is bounded")
    func threads() async throws {
        let limit = try limit(connections: 3)
        let limits = PerClientLimiter(capacity: 64)
        defer { limits.free() }
        let clients = 20
        let current = Mutex(Array(repeating: 0, count: clients))
        let outcomes = try await onThreads(4) { thread in
            var generator = SplitMix64(seed: UInt64(thread))
            var held: [Int] = []
            var exceeded = 0
            var admitted = 0
            for _ in 0..<20_000 {
                if held.count >= 12 || Bool.random(using: &generator), let number = held.popLast() {
                    current.withLock { $0[number] -= 1 }
                    limits.release(client(number), at: Self.start)
                } else {
                    let number = Int.random(in: 0..<clients, using: &generator)
                    guard limits.reserve(client(number), limit, at: Self.start) == .admitted else { continue }
                    let count = current.withLock { counts in
                        counts[number] += 1
                        return counts[number]
                    }
                    if count > 3 { exceeded += 1 }
                    admitted += 1
                    held.append(number)
                }
            }
            for number in held {
                current.withLock { $0[number] -= 1 }
                limits.release(client(number), at: Self.start)
            }
            return (exceeded, admitted)
        }
        #expect(outcomes.map(\.0) == [0, 0, 0, 0])
        #expect(outcomes.allSatisfy { $0.1 > 1000 })
        #expect(limits.figures == (0, 0))
    }

    @Test("four threads together get exactly one client's limit")
    func exactly() async throws {
        let limit = try limit(connections: 1500, 1, burst: 1000)
        let limits = PerClientLimiter(capacity: 64)
        defer { limits.free() }
        let admitted = try await onThreads(4) { _ in
            (0..<1000).count { _ in limits.reserve(client(1), limit, at: Self.start) == .admitted }
        }
        #expect(admitted.reduce(0, +) == 1000)
        let more = try await onThreads(4) { _ in
            (0..<1000).count { _ in
                limits.reserve(client(1), PerClientLimiter.Limit(connections: 1500), at: Self.start) == .admitted
            }
        }
        #expect(more.reduce(0, +) == 500)
    }
}
