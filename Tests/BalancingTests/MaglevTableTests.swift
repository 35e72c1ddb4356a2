import Randomness
import Support
import Testing

@testable import Balancing

@Suite("Maglev table")
struct MaglevTableTests {
    private func servers(_ numbers: some Sequence<Int>, weight: Int = 1) -> [MaglevTable.Server] {
        numbers.map { MaglevTable.Server(name: "10.0.0.\($0):5432", weight: weight) }
    }

    private func names(_ table: MaglevTable, _ servers: [MaglevTable.Server]) -> [String] {
        table.places.map { servers[Int($0)].name }
    }

    @Test("Each replica builds the same table, regardless of server order")
    func order() {
        let one = [("c", 3), ("a", 1), ("b", 2)].map { MaglevTable.Server(name: $0.0, weight: $0.1) }
        let other = [("a", 10), ("b", 20), ("c", 30)].map { MaglevTable.Server(name: $0.0, weight: $0.1) }
        #expect(names(MaglevTable(one, size: 1009), one) == names(MaglevTable(other, size: 1009), other))
    }

    @Test("Table contents are fixed: replicas of different versions agree")
    func pinned() {
        #expect(KeyHash.name("") == SplitMix64.mix(0))
        // Computed from the description by an independent program in another language.
        #expect(KeyHash.name("10.0.0.1:5432") == 14_641_005_815_489_767_924)
        #expect(KeyHash.name("10.0.0.1:5432", seed: 1) == 9_760_472_644_574_196_447)
        #expect(KeyHash.address(high: 0, low: 0xFFFF_7F00_0001) == 2_489_746_625_639_752_034)
        let places = MaglevTable(servers(1...4), size: 31).places.map(String.init).joined()
        #expect(places == "2332323310000031112321210011202")
    }

    @Test("Each slot has a server, and slot counts of equal servers differ by at most one")
    func equal() {
        let table = MaglevTable(servers(1...7))
        let counts = (0..<7).map(table.placeCount)
        #expect(counts.reduce(0, +) == MaglevTable.defaultSize)
        #expect(counts.allSatisfy { $0 == 65_537 / 7 || $0 == 65_537 / 7 + 1 })
    }

    @Test("A server of weight 0 has no slot; without any weight there is no table")
    func noWeight() {
        var some = servers(1...3)
        some[1].weight = 0
        #expect(MaglevTable(some, size: 31).placeCount(of: 1) == 0)
        #expect(MaglevTable(servers(1...3, weight: 0)).server(for: 1) == nil)
        #expect(MaglevTable([]).server(for: 1) == nil)
    }

    @Test("Two servers with the same name share its slots")
    func sameName() {
        let twins = servers([1, 1, 2])
        let table = MaglevTable(twins, size: 1009)
        #expect((0..<3).map(table.placeCount).allSatisfy { abs($0 - 336) <= 1 })
        #expect(names(table, twins).filter { $0 == "10.0.0.1:5432" }.count > 600)
    }

    @Test("A table size that is not prime traps", .expectsTraps)
    func prime() async {
        await #expect(processExitsWith: .failure) {
            _ = MaglevTable([MaglevTable.Server(name: "a", weight: 1)], size: 1000)
        }
    }
}

/// Recomputes the numbers in docs/balancing.md, from the same tables that the proxy would build.
@Suite("Client movement, as documented in docs/balancing.md")
struct ClientMovementTests {
    /// Clients whose moved share is counted; for Maglev all slots of the table are.
    private static let clients = (0..<10_000 as Range<UInt64>).map(SplitMix64.mix)

    private func servers(_ count: Int) -> [MaglevTable.Server] {
        (1...count).map { MaglevTable.Server(name: "10.0.0.\($0):5432", weight: 1) }
    }

    /// The share of slots that belong to another server now; `index` maps the old index of a server to the new one.
    private func moved(from old: MaglevTable, to new: MaglevTable, index: (Int) -> Int) -> Double {
        let changed = zip(old.places, new.places).count { index(Int($0)) != Int($1) }
        return Double(changed) / Double(old.places.count)
    }

    /// The mean over three servers that are removed one at a time.
    private func movedWhenOneLeaves(of count: Int) -> Double {
        let all = servers(count)
        let table = MaglevTable(all)
        let leavers = (0..<3).map { $0 * count / 3 }
        return leavers.reduce(0) { sum, leaver in
            var left = all
            left.remove(at: leaver)
            return sum
                + moved(from: table, to: MaglevTable(left)) { $0 == leaver ? -1 : $0 < leaver ? $0 : $0 - 1 }
        } / Double(leavers.count)
    }

    private func movedWhenOneJoins(_ count: Int) -> Double {
        moved(from: MaglevTable(servers(count)), to: MaglevTable(servers(count + 1))) { $0 }
    }

    private func movedBySourceHash(from count: Int, to more: Int) -> Double {
        let (old, new) = (
            Pool(weights: [Int](repeating: 1, count: count)), Pool(weights: [Int](repeating: 1, count: more))
        )
        let policy = SourceHash()
        let changed = Self.clients.count { policy.pick(from: old, key: $0) != policy.pick(from: new, key: $0) }
        return Double(changed) / Double(Self.clients.count)
    }

    @Test("Documented movement matches the computed values", arguments: [3, 5, 10, 30, 100])
    func table(count: Int) throws {
        let leaves = movedWhenOneLeaves(of: count)
        let joins = movedWhenOneJoins(count)
        let row = [
            "\(count)", percent(leaves), percent(1 / Double(count)), percent(joins), percent(1 / Double(count + 1)),
            percent(movedBySourceHash(from: count, to: count + 1)),
        ]
        let line = "| \(row.joined(separator: " | ")) |"
        #expect(try document().contains(line), "docs/balancing.md should have this row: \(line)")
        // Independent of the document: never less than has to move, and never twice as much.
        #expect(leaves >= 0.99 / Double(count) && leaves < 2 / Double(count))
        #expect(joins >= 0.99 / Double(count + 1) && joins < 2 / Double(count + 1))
    }

    private func percent(_ share: Double) -> String {
        let tenths = Int((share * 1000).rounded())
        return "\(tenths / 10).\(tenths % 10) %"
    }

    private func document() throws -> [String] {
        let folder = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        return try lines(ofFile: "/\(folder)/docs/balancing.md")
    }
}
