import EventLoop
import Sockets
import Support
import Synchronization
import Testing

@testable import TCPProxy

@Suite("Connection limiter")
struct ConnectionLimiterTests {
    private func withAdmission(limit: Int, _ body: (ConnectionLimiter) throws -> Void) rethrows {
        let connectionLimiter = ConnectionLimiter(limit: limit)
        defer { connectionLimiter.free() }
        try body(connectionLimiter)
    }

    @Test("permits are limited, and a released permit is available again")
    func permits() {
        withAdmission(limit: 2) { connectionLimiter in
            #expect(connectionLimiter.reserve())
            #expect(connectionLimiter.reserve())
            #expect(!connectionLimiter.reserve())
            #expect(connectionLimiter.taken == 2)
            _ = connectionLimiter.release()
            #expect(connectionLimiter.taken == 1)
            #expect(connectionLimiter.reserve())
            #expect(!connectionLimiter.reserve())
            _ = connectionLimiter.release()
            _ = connectionLimiter.release()
            #expect(connectionLimiter.taken == 0)
        }
    }

    @Test("connections are counted, not reservations")
    func counts() {
        withAdmission(limit: 10) { connectionLimiter in
            _ = connectionLimiter.reserve()
            #expect(connectionLimiter.total == 0)
            #expect(connectionLimiter.active == 0)
            #expect(connectionLimiter.countOpened() == (1, 1))
            #expect(connectionLimiter.countOpened() == (2, 2))
            #expect(connectionLimiter.countClosed() == 1)
            _ = connectionLimiter.release()
            #expect(connectionLimiter.active == 1)
            #expect(connectionLimiter.total == 2)
        }
    }

    @Test("a released permit wakes one waiting worker, each in turn")
    func wakes() {
        withAdmission(limit: 1) { connectionLimiter in
            expectWakes([3, 63, 255, nil], of: connectionLimiter, afterWaitsOf: [3, 63, 255])
        }
    }

    /// Lets workers wait for the only permit, and expects each release of it to wake the worker given.
    private func expectWakes(_ woken: [Int?], of limiter: ConnectionLimiter, afterWaitsOf workers: [Int]) {
        _ = limiter.reserve()
        for worker in workers { #expect(limiter.wait(worker: worker)) }
        for worker in woken {
            #expect(limiter.release() == worker)
            _ = limiter.reserve()
        }
        _ = limiter.release()
    }

    @Test("no worker waits while a permit is free")
    func needNotWait() {
        withAdmission(limit: 1) { connectionLimiter in
            #expect(!connectionLimiter.wait(worker: 0))
            _ = connectionLimiter.reserve()
            #expect(connectionLimiter.release() == nil)
        }
    }

    @Test("a worker that waits twice is woken once")
    func waitsTwice() {
        withAdmission(limit: 1) { connectionLimiter in
            expectWakes([0, nil], of: connectionLimiter, afterWaitsOf: [0, 0])
        }
    }

    @Test("subscriptions are visible immediately")
    func subscriptions() {
        let subscriptions = EventSubscriptions()
        defer { subscriptions.free() }
        #expect(!subscriptions.hasSubscribers)
        #expect(subscriptions.subscribe() == 1)
        #expect(subscriptions.subscribe() == 2)
        subscriptions.unsubscribe()
        #expect(subscriptions.hasSubscribers)
        subscriptions.unsubscribe()
        #expect(!subscriptions.hasSubscribers)
    }
}

/// Workers on threads of their own that reserve and release permits, as those of a proxy do: one that gets no permit
/// sleeps until another wakes it.
private final class Crowd: Sendable {
    let connectionLimiter: ConnectionLimiter
    let limit: Int
    private let workers: Int
    private let rounds: Int
    private let mailboxes: [Mailbox<Int>]
    private let wakers: [SemaphoreWaker]
    /// Longest sleep of a worker, in seconds; one that sleeps longer has missed its wake-up.
    private static let patience = Int(Support.patience.components.seconds)
    /// The number of permits held at the same time, counted independently of the admission.
    let taken = Atomic(0)
    let excess = Atomic(0)
    let starved = Atomic(0)

    init(workers: Int, limit: Int, rounds: Int) {
        self.workers = workers
        self.limit = limit
        self.rounds = rounds
        connectionLimiter = ConnectionLimiter(limit: limit)
        let wakers = (0..<workers).map { _ in SemaphoreWaker() }
        self.wakers = wakers
        mailboxes = wakers.map { Mailbox(waker: $0) }
    }

    func run() async throws {
        let threads = try (0..<workers).map { index in
            try WorkerThread.start(name: "crowd-\(index)") { [self] in work(index) }
        }
        for thread in threads { await thread.join() }
        connectionLimiter.free()
    }

    private func work(_ index: Int) {
        var held = 0
        var done = 0
        while done < rounds {
            if connectionLimiter.reserve() {
                if taken.add(1, ordering: .relaxed).newValue > limit { excess.store(1, ordering: .relaxed) }
                held += 1
                done += 1
                if held == 2 { release(&held) }
            } else {
                if connectionLimiter.taken > limit { excess.store(1, ordering: .relaxed) }
                // A worker must not sleep while it holds permits that others wait for.
                while held > 0 { release(&held) }
                guard connectionLimiter.wait(worker: index) else { continue }
                // A wake-up may be left over from a message that was read before the wake-up came.
                while mailboxes[index].takeAll().isEmpty {
                    guard wakers[index].wait(seconds: Self.patience) else {
                        starved.store(1, ordering: .relaxed)
                        return
                    }
                }
            }
        }
        while held > 0 { release(&held) }
    }

    private func release(_ held: inout Int) {
        held -= 1
        taken.subtract(1, ordering: .relaxed)
        release()
    }

    private func release() {
        if let waiting = connectionLimiter.release() { mailboxes[waiting].post(0) }
    }
}

@Suite("Connection limiter with threads", .serialized)
struct ConnectionLimiterRaceTests {
    @Test("permits never exceed the limit, and no worker waits forever", arguments: [1, 2, 5])
    func hammer(limit: Int) async throws {
        let crowd = Crowd(workers: 6, limit: limit, rounds: 20_000)
        try await crowd.run()
        #expect(crowd.excess.load(ordering: .relaxed) == 0)
        #expect(crowd.starved.load(ordering: .relaxed) == 0)
        #expect(crowd.taken.load(ordering: .relaxed) == 0)
    }
}
