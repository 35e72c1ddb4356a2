import Randomness
import Testing

@testable import TCPProxy

@Suite("Sets of workers")
struct WorkerSetTests {
    @Test("a set agrees with a set of numbers", arguments: 1...20 as ClosedRange<UInt64>)
    func model(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var set = WorkerSet.none
        var model: Set<Int> = []
        let atomic = AtomicWorkerSet()
        for _ in 0..<500 {
            let worker = Int.random(in: 0..<WorkerSet.capacity, using: &random)
            set = set.inserting(worker)
            atomic.insert(worker)
            model.insert(worker)
            let other = Int.random(in: 0..<WorkerSet.capacity, using: &random)
            #expect(set.contains(other) == model.contains(other))
            #expect(atomic.remove(other) == (model.remove(other) != nil))
            set = set.subtracting(WorkerSet.none.inserting(other))
            #expect(atomic.current == set)
            let start = Int.random(in: 0..<WorkerSet.capacity, using: &random)
            let expected = model.filter { $0 >= start }.min() ?? model.min()
            #expect(set.first(from: start) == expected)
            #expect(set.isEmpty == model.isEmpty)
        }
    }

    @Test("the set of all workers contains the last one", arguments: [0, 63, 64, 127, 128, 191, 192, 255])
    func all(worker: Int) {
        #expect(WorkerSet.all.contains(worker))
        #expect(WorkerSet.all.first(from: worker) == worker)
        #expect(WorkerSet.none.inserting(worker).first(from: (worker + 1) % WorkerSet.capacity) == worker)
        #expect(WorkerSet.none.first(from: worker) == nil)
    }

    @Test("workers with waiting clients are notified in turn, also the last of 256")
    func turns() {
        let table = SharedPoolTable()
        let pool = table[0]
        for worker in [0, 1, 64, 255] { #expect(pool.enter(worker: worker, limit: 10)) }
        var notified: [Int] = []
        for _ in 0..<8 {
            guard let worker = pool.nextWaiting() else { break }
            notified.append(worker)
            // The worker has more waiting clients.
            pool.announce(worker)
        }
        #expect(notified == [0, 1, 64, 255, 0, 1, 64, 255])
        #expect(pool.nextWaiting(but: WorkerSet.none.inserting(0).inserting(1).inserting(64)) == 255)
        #expect(pool.nextWaiting(but: .all) == nil)
        #expect(pool.hasWaiting)
        for _ in 0..<4 { pool.leave() }
        #expect(!pool.hasWaiting)
    }

    @Test("for each connection, a worker compares its load with a limited number of 256 workers, and with all in turn")
    func loads() {
        let loads = WorkerLoads(workers: WorkerSet.capacity)
        defer { loads.free() }
        for worker in 0..<WorkerSet.capacity where worker != 200 { loads.add(100, to: worker) }
        let rounds = WorkerSet.capacity / WorkerLoads.maxCompared
        let places = (0..<2 * rounds).map { _ in loads.place(acceptedBy: 3) }
        #expect(places.count { $0 == 200 } == 2)
        #expect(places.count { $0 == 3 } == 2 * rounds - 2)
    }

    @Test("up to 16 workers are all compared for each connection")
    func fewLoads() {
        let loads = WorkerLoads(workers: WorkerLoads.maxCompared)
        defer { loads.free() }
        for worker in 0..<WorkerLoads.maxCompared where worker != 15 { loads.add(100, to: worker) }
        for worker in 0..<WorkerLoads.maxCompared { #expect(loads.place(acceptedBy: worker) == 15) }
    }
}
