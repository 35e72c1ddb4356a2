import ProcessSupport
import Randomness
import Sockets
import Testing

@testable import TCPProxy

@Suite("Client table")
struct ClientTableTests {
    private func entry(_ address: String, upstream: Int = 1, downstream: Int = 2, at seconds: UInt64)
        -> ClientTable.Entry
    {
        ClientTable.Entry(
            address: PeerAddress("\(address):0"),
            total: 1,
            bytesUpstream: upstream,
            bytesDownstream: downstream,
            firstSeen: Instant(nanoseconds: seconds),
            lastSeen: Instant(nanoseconds: seconds + 1)
        )
    }

    private func sum(_ entries: [ClientTable.Entry]) -> [Int] {
        entries.reduce(into: [0, 0, 0]) { sums, entry in
            sums[0] += entry.total
            sums[1] += entry.bytesUpstream
            sums[2] += entry.bytesDownstream
        }
    }

    @Test("connections of one address are summed, with first and last times")
    func adds() throws {
        var table = ClientTable()
        table.record(entry("192.0.2.1", upstream: 10, downstream: 20, at: 100))
        table.record(entry("192.0.2.1", upstream: 1, downstream: 2, at: 50))
        table.record(entry("192.0.2.2", at: 70))
        let all = table.all
        #expect(all.count == 2)
        let first = try #require(all.first { $0.address == PeerAddress("192.0.2.1:0") })
        #expect(first.total == 2)
        #expect(first.bytesUpstream == 11)
        #expect(first.bytesDownstream == 22)
        #expect(first.firstSeen == Instant(nanoseconds: 50))
        #expect(first.lastSeen == Instant(nanoseconds: 101))
        #expect(table.other.total == 0)
    }

    @Test("a full set evicts the least recently seen address into the remainder")
    func evicts() {
        // One set of eight slots, so that all addresses fall into it.
        var table = ClientTable(capacity: 8)
        for number in 1...8 { table.record(entry("192.0.2.\(number)", at: UInt64(number))) }
        // After this update the first is no longer the least recently seen.
        table.record(entry("192.0.2.1", at: 20))
        table.record(entry("192.0.2.9", at: 21))
        #expect(Set(table.all.map(\.address)) == Set([1, 3, 4, 5, 6, 7, 8, 9].map { PeerAddress("192.0.2.\($0):0") }))
        #expect(table.other.total == 1)
        #expect(table.other.bytesUpstream == 1)
        #expect(table.other.bytesDownstream == 2)
        #expect(table.other.firstSeen == Instant(nanoseconds: 2))
        #expect(table.other.lastSeen == Instant(nanoseconds: 3))
    }

    @Test("totals are exact under any load, and memory is constant")
    func keepsSums() {
        var table = ClientTable(capacity: 64)
        var generator = SplitMix64(seed: 1)
        let count = 20_000
        var upstream = 0
        for number in 0..<count {
            let bytes = Int.random(in: 0...1000, using: &generator)
            upstream += bytes
            let address = PeerAddress.internet(
                InternetAddress(v4: UInt32.random(in: 0..<500, using: &generator), port: 0)
            )
            let now = Instant(nanoseconds: UInt64(number))
            table.record(
                ClientTable.Entry(
                    address: address,
                    total: 1,
                    bytesUpstream: bytes,
                    bytesDownstream: 1,
                    firstSeen: now,
                    lastSeen: now
                )
            )
        }
        let all = table.all
        #expect(all.count <= 64)
        #expect(Set(all.map(\.address)).count == all.count)
        #expect(sum(all + [table.other]) == [count, upstream, count])
    }

    @Test("addresses of one network spread over the table, almost without evictions")
    func spreads() {
        var table = ClientTable(capacity: 1024)
        for number in 0..<256 { table.record(entry("10.1.2.\(number)", at: UInt64(number))) }
        #expect(table.all.count == 256)
        var other = ClientTable(capacity: 1024)
        for number in 0..<256 {
            let address = InternetAddress(high: 0x2001_0DB8_0000_0000 + UInt64(number) << 16, low: 1, port: 0)
            var entry = entry("10.0.0.1", at: UInt64(number))
            entry.address = .internet(address)
            other.record(entry)
        }
        #expect(other.all.count == 256)
    }

    @Test("all clients of a Unix socket count as one")
    func unix() {
        var table = ClientTable()
        for number in 0..<3 {
            var entry = entry("10.0.0.1", at: UInt64(number))
            entry.address = .unix
            table.record(entry)
        }
        #expect(table.all.map(\.total) == [3])
    }

    @Test("a client is its address without the port")
    func withoutPort() {
        #expect(PeerAddress("192.0.2.1:50000").withoutPort == PeerAddress("192.0.2.1:0"))
        #expect(PeerAddress("[2001:db8::1]:50000").withoutPort == PeerAddress("[2001:db8::1]:0"))
        #expect(PeerAddress.unix.withoutPort == .unix)
    }
}

@Suite("Clients snapshot")
struct ClientsSnapshotTests {
    private func entry(
        _ address: PeerAddress,
        total: Int = 1,
        bytes: Int = 10,
        first: UInt64 = 5_000_000_000,
        last: UInt64 = 6_000_000_000
    ) -> ClientTable.Entry {
        ClientTable.Entry(
            address: address,
            total: total,
            bytesUpstream: bytes,
            bytesDownstream: 2 * bytes,
            firstSeen: Instant(nanoseconds: first),
            lastSeen: Instant(nanoseconds: last)
        )
    }

    private func part(
        closed: [ClientTable.Entry] = [],
        running: [ClientTable.Entry] = [],
        other: ClientTable.Entry? = nil
    ) -> ClientAnswer {
        ClientAnswer(closed: closed, other: other ?? entry(.unix, total: 0, bytes: 0), running: running)
    }

    private let alice = PeerAddress("192.0.2.1:0")
    private let bob = PeerAddress("192.0.2.2:0")

    @Test("statistics of all workers are merged by address")
    func merges() throws {
        let snapshot = ClientsSnapshot([
            part(closed: [entry(alice, total: 3)], running: [entry(alice, first: 4_000_000_000), entry(bob)]),
            part(closed: [entry(bob, total: 5)], running: [entry(alice, last: 9_000_000_000)]),
        ])
        #expect(snapshot.clients.count == 2)
        let first = try #require(snapshot.clients.first { $0.address == alice })
        #expect(first.activeConnections == 2)
        #expect(first.totalConnections == 5)
        #expect(first.bytesUpstream == 30)
        #expect(first.bytesDownstream == 60)
        let seen = try #require(first.firstSeen)
        let lastSeen = try #require(first.lastSeen)
        #expect(abs((lastSeen - seen) - 5) < 0.001)
        #expect(snapshot.other == ClientStatistics(address: nil))
    }

    @Test("times are converted to wall clock time")
    func wallClock() throws {
        let now = WallClock.monotonicNanoseconds
        let snapshot = ClientsSnapshot([part(running: [entry(alice, first: now - 10_000_000_000, last: now)])])
        let seconds = Double(WallClock.nanoseconds) / 1e9
        let entry = try #require(snapshot.clients.first)
        #expect(abs(try #require(entry.firstSeen) - (seconds - 10)) < 5)
        #expect(abs(try #require(entry.lastSeen) - seconds) < 5)
    }

    @Test("evicted statistics of all workers are summed")
    func other() {
        let snapshot = ClientsSnapshot([
            part(other: entry(.unix, total: 2, bytes: 100)),
            part(other: entry(.unix, total: 3, bytes: 1)),
            part(),
        ])
        #expect(snapshot.clients == [])
        #expect(snapshot.other.totalConnections == 5)
        #expect(snapshot.other.bytesUpstream == 101)
        #expect(snapshot.other.address == nil)
        #expect(snapshot.other.firstSeen != nil)
    }

    @Test("clients are sorted by open connections, then by last activity")
    func ranks() {
        let carol = PeerAddress("192.0.2.3:0")
        let snapshot = ClientsSnapshot([
            part(
                closed: [entry(alice, last: 7_000_000_000), entry(bob, last: 8_000_000_000)],
                running: [entry(carol, last: 1_000_000_000)]
            )
        ])
        #expect(snapshot.clients.map(\.address) == [carol, bob, alice])
    }

    @Test("a limited number of clients is listed, and the rest is summed")
    func limit() {
        let count = ClientsSnapshot.limit + 100
        let entries = (0..<count).map { number in
            entry(.internet(InternetAddress(v4: UInt32(number), port: 0)), bytes: 1, last: UInt64(number) * 1_000_000)
        }
        let snapshot = ClientsSnapshot([part(closed: entries)])
        #expect(snapshot.clients.count == ClientsSnapshot.limit)
        #expect(snapshot.other.totalConnections == 100)
        #expect(snapshot.other.bytesUpstream == 100)
        // The least recently seen are the ones without a name.
        #expect(!snapshot.clients.contains { $0.address == .internet(InternetAddress(v4: 99, port: 0)) })
        #expect(snapshot.clients.contains { $0.address == .internet(InternetAddress(v4: 100, port: 0)) })
    }
}
