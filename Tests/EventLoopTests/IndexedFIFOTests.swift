import EventLoop
import Randomness
import Sockets
import Testing

@Suite("Indexed FIFO")
struct IndexedFIFOTests {
    @Test("Slots are served in FIFO order, each at most once")
    func order() {
        var queue = IndexedFIFO(capacity: 4)
        #expect(queue.isEmpty == true)
        for slot in [2, 0, 3, 2, 0] { queue.append(slot) }
        #expect(queue.count == 3)
        #expect(drained(&queue) == [2, 0, 3])
        #expect(queue.isEmpty == true)
        queue.append(2)
        #expect(drained(&queue) == [2])
    }

    @Test("A slot can be removed from any position", arguments: 0..<4)
    func removal(slot: Int) {
        var queue = IndexedFIFO(capacity: 4)
        for slot in 0..<4 { queue.append(slot) }
        queue.remove(slot)
        queue.remove(slot)
        queue.append(slot)
        #expect(drained(&queue) == (0..<4).filter { $0 != slot } + [slot])
    }

    @Test("Random operations agree with an array", arguments: 1...20 as ClosedRange<UInt64>)
    func model(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let capacity = Int.random(in: 1...20, using: &random)
        var queue = IndexedFIFO(capacity: capacity)
        var model: [Int] = []
        for _ in 0..<3000 {
            let slot = Int.random(in: 0..<capacity, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0...1:
                queue.append(slot)
                if !model.contains(slot) { model.append(slot) }
            case 2:
                queue.remove(slot)
                model.removeAll { $0 == slot }
            default:
                #expect(queue.popFirst() == (model.isEmpty ? nil : model.removeFirst()))
            }
            #expect(queue.count == model.count)
        }
        #expect(drained(&queue) == model)
    }

    private func drained(_ queue: inout IndexedFIFO) -> [Int] {
        var slots: [Int] = []
        while let slot = queue.popFirst() { slots.append(slot) }
        return slots
    }
}
