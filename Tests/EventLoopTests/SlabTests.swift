import FakeSystem
import Randomness
import Sockets
import Support
import Testing

@testable import EventLoop

/// Counts the live elements.
private final class Tracker {
    var living = 0
}

private struct Element: ~Copyable {
    let number: Int
    private let tracker: Tracker

    init(_ number: Int, _ tracker: Tracker) {
        self.number = number
        self.tracker = tracker
        tracker.living += 1
    }

    deinit { tracker.living -= 1 }
}

extension Slab where Element: ~Copyable {
    /// Number of blocks that hold memory.
    fileprivate var blockCount: Int {
        (0..<(capacity + Self.slotsPerBlock - 1) / Self.slotsPerBlock).count { blocks[$0] != nil }
    }
}

@Suite("Slab")
struct SlabTests {
    private let tracker = Tracker()

    @Test("An element is found by slot and generation, and does not move")
    func insertAndFind() {
        var slab = Slab<Element>(capacity: 1000)
        let first = slab.insert(Element(1, tracker))
        let address = slab.pointer(to: first)
        let others = (2...500).map { slab.insert(Element($0, tracker)) }
        #expect(slab.count == 500)
        #expect(slab.pointer(to: first) == address)
        #expect(slab.find(first, generation: slab.generation(of: first))?.pointee.number == 1)
        #expect(Set(others + [first]).count == 500)
        #expect(others.allSatisfy { $0 < slab.end })
        for slot in others + [first] { _ = slab.remove(slot) }
        #expect(slab.count == 0)
        #expect(tracker.living == 0)
    }

    @Test("A stale handle of a reused slot finds nothing")
    func staleNames() {
        var slab = Slab<Element>(capacity: 1)
        var names: [UInt32] = []
        for number in 0..<1000 {
            let slot = slab.insert(Element(number, tracker))
            let generation = slab.generation(of: slot)
            #expect(slab.find(slot, generation: generation)?.pointee.number == number)
            #expect(names.allSatisfy { slab.find(slot, generation: $0) == nil })
            names = names.suffix(20) + [generation]
            #expect(slab.remove(slot).number == number)
            #expect(slab.find(slot, generation: generation) == nil)
            // The generation of a free slot does not find an element either.
            #expect(slab.find(slot, generation: slab.generation(of: slot)) == nil)
        }
    }

    @Test("A slot beyond the slab finds nothing", arguments: [1, 128, Int(UInt32.max)])
    func beyond(slot: Int) {
        let slab = Slab<Element>(capacity: 1)
        #expect(slab.find(slot, generation: 1) == nil)
    }

    @Test("The generation is wider than a token's 24 bits")
    func generationWraps() {
        var slab = Slab<Element>(capacity: 1)
        slab.generations[0] = 0xFF_FFFE
        let slot = slab.insert(Element(1, tracker))
        let last = Token(slot: slot, generation: slab.generation(of: slot), kind: 0)
        #expect(last.generation == 0xFF_FFFF)
        _ = slab.remove(slot)
        _ = slab.insert(Element(2, tracker))
        let next = Token(slot: slot, generation: slab.generation(of: slot), kind: 0)
        #expect(next.generation == 1)
        #expect(slab.find(slot, generation: next.generation)?.pointee.number == 2)
        #expect(slab.find(slot, generation: last.generation) == nil)
        _ = slab.remove(slot)
    }

    @Test("Empty blocks are released, all but one")
    func blocksGoBack() {
        var slab = Slab<Element>(capacity: 128 * 20)
        #expect(slab.blockCount == 0)
        let slots = (0..<slab.capacity).map { slab.insert(Element($0, tracker)) }
        #expect(slab.blockCount == 20)
        for slot in slots.dropFirst() { _ = slab.remove(slot) }
        #expect(slab.blockCount == 2)
        // Released blocks can be allocated again, with new elements in them.
        let again = (0..<slab.capacity - 1).map { slab.insert(Element(-$0, tracker)) }
        #expect(slab.blockCount == 20)
        for (number, slot) in again.enumerated() { #expect(slab.remove(slot).number == -number) }
        _ = slab.remove(slots[0])
        #expect(slab.blockCount == 1)
        #expect(tracker.living == 0)
    }

    @Test("A slab whose capacity is not a multiple of its block can be filled", arguments: [1, 127, 128, 129, 300])
    func fills(capacity: Int) {
        var slab = Slab<Element>(capacity: capacity)
        let slots = (0..<capacity).map { slab.insert(Element($0, tracker)) }
        #expect(Set(slots) == Set(0..<capacity))
        #expect(slots.allSatisfy { slab.pointer(to: $0).pointee.number == $0 })
        for slot in slots { _ = slab.remove(slot) }
    }

    @Test("Random operations agree with a plain list", arguments: 1...20 as ClosedRange<UInt64>)
    func model(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let capacity = Int.random(in: 1...700, using: &random)
        var slab = Slab<Element>(capacity: capacity)
        var living: [Name] = []
        var gone: [Name] = []
        // Grows and shrinks alternately, so that blocks are allocated and released.
        var isGrowing = true
        for step in 0..<4000 {
            if Int.random(in: 0..<300, using: &random) == 0 { isGrowing.toggle() }
            if Int.random(in: 0..<10, using: &random) < (isGrowing ? 8 : 2) {
                guard slab.count < capacity else { continue }
                let slot = slab.insert(Element(step, tracker))
                living.append(Name(slot: slot, generation: slab.generation(of: slot), number: step))
            } else if !living.isEmpty {
                living.swapAt(Int.random(in: living.indices, using: &random), living.count - 1)
                let name = living.removeLast()
                let removed = slab.remove(name.slot)
                guard removed.number == name.number else {
                    Issue.record("seed \(seed), step \(step): removed \(removed.number), expected \(name.number)")
                    break
                }
                gone.append(name)
            }
            let stale = gone.suffix(5).contains { slab.find($0.slot, generation: $0.generation) != nil }
            guard slab.count == living.count, !stale else {
                Issue.record("seed \(seed), step \(step): a stale handle was found, or the count is wrong")
                break
            }
        }
        #expect(Set(living.map(\.slot)).count == living.count)
        #expect(tracker.living == living.count)
        let used = Set(living.map { $0.slot / 128 }).count
        #expect(slab.blockCount - used <= 1)
        for name in living {
            #expect(slab.find(name.slot, generation: name.generation)?.pointee.number == name.number)
            _ = slab.remove(name.slot)
        }
        #expect(tracker.living == 0)
    }

    private struct Name {
        let slot: Int
        let generation: UInt32
        let number: Int
    }

    @Test("An operation that would leak an element traps", .expectsTraps)
    func traps() async {
        await #expect(processExitsWith: .failure) {
            var slab = Slab<Int>(capacity: 1)
            _ = slab.insert(1)
            _ = slab.insert(2)
        }
        await #expect(processExitsWith: .failure) {
            var slab = Slab<Int>(capacity: 1)
            _ = slab.remove(slab.insert(1))
            _ = slab.remove(0)
        }
        await #expect(processExitsWith: .failure) {
            var slab = Slab<Int>(capacity: 1)
            _ = slab.insert(1)
        }
    }

    @Test("memory is reserved before an insertion, and an empty block is still returned")
    func reserve() {
        let world = FakeWorld()
        var system = FakeSystem(in: world, wakerToken: Token(bits: 0))
        let tracker = Tracker()
        var slab = Slab<Element>(capacity: 300)
        world.faults.fail(.allocate, with: .outOfMemory)
        let refused = slab.reserve(on: &system)
        #expect(!refused)
        #expect(slab.blockCount == 0)
        for number in 0..<300 {
            let isReserved = slab.reserve(on: &system)
            #expect(isReserved)
            _ = slab.insert(Element(number, tracker))
        }
        let isFull = !slab.reserve(on: &system)
        #expect(isFull)
        for slot in 0..<300 { _ = slab.remove(slot) }
        #expect(slab.blockCount == 1)
        #expect(tracker.living == 0)
    }
}
