import EventLoop
import Sockets
import Support
import Testing

@testable import TCPProxy

@Suite("Event ring")
struct EventRingTests {
    private func event(_ number: Int) -> MetricEvent {
        .bytesUpstream(id: ConnectionID(worker: 1, count: UInt64(number)), client: .unix, count: number)
    }

    private func withRing(_ body: (EventRing<MetricEvent>) throws -> Void) rethrows {
        let ring = EventRing<MetricEvent>()
        defer { ring.free() }
        try body(ring)
    }

    @Test("events are read in the order written")
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

    @Test("a full ring rejects events until there is room")
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

    @Test("a ring is half full only when more than half is used")
    func halfFull() {
        withRing { ring in
            for number in 0..<(EventRing<MetricEvent>.capacity / 2) { _ = ring.write(event(number)) }
            #expect(!ring.isHalfFull)
            _ = ring.write(event(0))
            #expect(ring.isHalfFull)
        }
    }

    @Test("the ring wraps around")
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

    @Test("between two threads no event is lost, duplicated or torn")
    func threads() async throws {
        let ring = EventRing<MetricEvent>()
        let count = 200_000
        let writer = try WorkerThread.start(name: "writer") {
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
        let reader = try WorkerThread.start(name: "reader") {
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

@Suite("Event hub")
struct EventHubTests {
    private let memory: SharedMemory
    private let hub: EventHub
    private let event = MetricEvent.bytesUpstream(id: ConnectionID(worker: 0, count: 1), client: .unix, count: 1)

    init() {
        memory = SharedMemory(workers: 2, limit: 10)
        hub = EventHub(memory: memory)
    }

    @Test("events of all rings are returned, and the next is awaited")
    func gives() async {
        hub.subscribe()
        #expect(memory.rings[0].write(event))
        #expect(memory.rings[1].write(event))
        #expect(await hub.next().count == 2)
        async let next = hub.next()
        #expect(memory.rings[1].write(event))
        hub.notify()
        #expect(await next == [event])
    }

    @Test("events left by one subscriber are not seen by the next")
    func stale() async {
        hub.subscribe()
        #expect(memory.rings[0].write(event))
        hub.unsubscribe()
        hub.subscribe()
        hub.finish()
        #expect(await hub.next() == [])
    }

    @Test("remaining events are returned before the end")
    func finishes() async {
        hub.subscribe()
        #expect(memory.rings[0].write(event))
        hub.finish()
        #expect(await hub.next() == [event])
        #expect(await hub.next() == [])
    }

    @Test("the end wakes all waiting readers")
    func endWakes() async {
        hub.subscribe()
        async let first = hub.next()
        async let second = hub.next()
        hub.finish()
        #expect(await first == [])
        #expect(await second == [])
    }

    @Test("cancellation ends a wait")
    func cancelled() async {
        hub.subscribe()
        let waiting = Task { [hub] in await hub.next() }
        waiting.cancel()
        #expect(await waiting.value == [])
    }

    @Test("a subscription lasts exactly as long as its iterator")
    func listener() async {
        let events = MetricEvents(hub: hub)
        #expect(!memory.subscriptions.hasSubscribers)
        do {
            var iterator = events.makeAsyncIterator()
            #expect(memory.subscriptions.hasSubscribers)
            #expect(memory.rings[0].write(event))
            #expect(await iterator.next() == event)
        }
        #expect(!memory.subscriptions.hasSubscribers)
    }

    @Test("a slow reader receives limited batches, all events in order")
    func batches() async {
        hub.subscribe()
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
