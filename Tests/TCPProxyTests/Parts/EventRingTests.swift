import Sockets
import Support
import Testing
import Workers

@testable import TCPProxy

@Suite("EventRing")
struct EventRingTests {
    private func event(_ number: Int) -> MetricEvent {
        .bytesUpstream(id: ConnectionID(worker: 1, count: UInt64(number)), client: .unix, count: number)
    }

    private func withRing(_ body: (EventRing<MetricEvent>) throws -> Void) rethrows {
        let ring = EventRing<MetricEvent>()
        defer { ring.free() }
        try body(ring)
    }

    @Test("gives what was written, in order")
    func order() {
        withRing { ring in
            for number in 0..<10 { #expect(ring.write(event(number))) }
            #expect(ring.count == 10)
            var events: [MetricEvent] = []
            ring.read(into: &events, limit: 4)
            #expect(events == (0..<4).map(event))
            ring.read(into: &events, limit: 100)
            #expect(events == (0..<10).map(event))
            ring.read(into: &events, limit: 100)
            #expect(events.count == 10)
            #expect(ring.count == 0)
        }
    }

    @Test("takes no more than it holds, and goes on as soon as there is room")
    func full() {
        withRing { ring in
            for number in 0..<EventRing<MetricEvent>.capacity { #expect(ring.write(event(number))) }
            #expect(!ring.write(event(0)))
            #expect(ring.count == EventRing<MetricEvent>.capacity)
            var events: [MetricEvent] = []
            ring.read(into: &events, limit: 1)
            #expect(ring.write(event(EventRing<MetricEvent>.capacity)))
            #expect(!ring.write(event(0)))
            ring.read(into: &events, limit: .max)
            #expect(events == (0...EventRing<MetricEvent>.capacity).map(event))
        }
    }

    @Test("is half full when more than half of it is")
    func halfFull() {
        withRing { ring in
            for number in 0..<(EventRing<MetricEvent>.capacity / 2) { _ = ring.write(event(number)) }
            #expect(!ring.isHalfFull)
            _ = ring.write(event(0))
            #expect(ring.isHalfFull)
        }
    }

    @Test("goes round and round")
    func wraps() {
        withRing { ring in
            var written = 0
            var events: [MetricEvent] = []
            while written < 3 * EventRing<MetricEvent>.capacity {
                for _ in 0..<1000 {
                    #expect(ring.write(event(written)))
                    written += 1
                }
                ring.read(into: &events, limit: .max)
            }
            #expect(events == (0..<written).map(event))
        }
    }

    @Test("between two threads nothing is lost, doubled or torn")
    func threads() async {
        let ring = EventRing<MetricEvent>()
        let count = 200_000
        let writer = WorkerThread.start(name: "writer") {
            var number = 0
            while number < count {
                let event = MetricEvent.bytesUpstream(
                    id: ConnectionID(worker: 1, count: UInt64(number)),
                    client: .unix,
                    count: number
                )
                if ring.write(event) { number += 1 }
            }
        }
        let reader = WorkerThread.start(name: "reader") {
            var next = 0
            var events: [MetricEvent] = []
            while next < count {
                ring.read(into: &events, limit: 256)
                for event in events {
                    guard case .bytesUpstream(let id, .unix, next) = event,
                        id == ConnectionID(worker: 1, count: UInt64(next))
                    else {
                        Issue.record("event \(next) is \(event)")
                        return
                    }
                    next += 1
                }
                events.removeAll(keepingCapacity: true)
            }
        }
        await reader.join()
        await writer.join()
        #expect(ring.count == 0)
        ring.free()
    }
}

@Suite("EventHub")
struct EventHubTests {
    private let memory: SharedMemory
    private let hub: EventHub
    private let event = MetricEvent.bytesUpstream(id: ConnectionID(worker: 0, count: 1), client: .unix, count: 1)

    init() {
        memory = SharedMemory(workers: 2, limit: 10)
        hub = EventHub(memory: memory)
    }

    @Test("gives events of all rings, and waits for the next")
    func gives() async {
        hub.addListener()
        #expect(memory.rings[0].write(event))
        #expect(memory.rings[1].write(event))
        #expect(await hub.next().count == 2)
        async let next = hub.next()
        #expect(memory.rings[1].write(event))
        hub.notify()
        #expect(await next == [event])
    }

    @Test("what a reader left behind is no news for the next")
    func stale() async {
        hub.addListener()
        #expect(memory.rings[0].write(event))
        hub.removeListener()
        hub.addListener()
        hub.finish()
        #expect(await hub.next() == [])
    }

    @Test("what is there when it ends is still given, and then the end")
    func finishes() async {
        hub.addListener()
        #expect(memory.rings[0].write(event))
        hub.finish()
        #expect(await hub.next() == [event])
        #expect(await hub.next() == [])
    }

    @Test("an end wakes everybody who waits")
    func endWakes() async {
        hub.addListener()
        async let first = hub.next()
        async let second = hub.next()
        hub.finish()
        #expect(await first == [])
        #expect(await second == [])
    }

    @Test("a task that is cancelled waits no longer")
    func cancelled() async {
        hub.addListener()
        let waiting = Task { [hub] in await hub.next() }
        waiting.cancel()
        #expect(await waiting.value == [])
    }

    @Test("somebody listens for as long as an iterator lives, and no longer")
    func listener() async {
        let events = MetricEvents(hub: hub)
        #expect(!memory.admission.hasListeners)
        do {
            var iterator = events.makeAsyncIterator()
            #expect(memory.admission.hasListeners)
            #expect(memory.rings[0].write(event))
            #expect(await iterator.next() == event)
        }
        #expect(!memory.admission.hasListeners)
    }

    @Test("a slow reader takes a bounded number at once, and gets all of them in order")
    func batches() async {
        hub.addListener()
        let events = (0..<1000).map { number in
            MetricEvent.bytesUpstream(id: ConnectionID(worker: 0, count: UInt64(number)), client: .unix, count: number)
        }
        for event in events { #expect(memory.rings[0].write(event)) }
        hub.finish()
        var received: [MetricEvent] = []
        while true {
            let batch = await hub.next()
            if batch.isEmpty { break }
            received += batch
        }
        #expect(received == events)
    }
}
