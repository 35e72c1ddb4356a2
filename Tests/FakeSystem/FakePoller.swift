public import Sockets

/// An epoll set: the watched descriptors with their interests, and the queue of those with events.
///
/// As in Linux, an event queues a descriptor, in order of occurrence, and the report contains everything that holds at
/// the time of the wait. Edge-triggered, it then leaves the queue until the next event; else it stays while it holds.
public final class FakePoller {
    final class Interest {
        let poller: FakePoller
        var readiness: Readiness
        var token: Token
        var isSignalled = false

        init(_ poller: FakePoller, _ readiness: Readiness, _ token: Token) {
            self.poller = poller
            self.readiness = readiness
            self.token = token
        }
    }

    private struct News {
        weak var file: FakeFile?
        weak var interest: Interest?
    }

    private let world: FakeWorld
    /// Maximum number of events of one wait.
    public let batchLimit: Int
    private let waker: FakeWaker
    private let wakerToken: Token
    private var news: [News] = []
    private(set) var batch: [PollEvent] = []
    /// The latest reports, from which stale events are drawn.
    private var reported: [PollEvent] = []
    private static let memory = 32
    private var backlog = PollBacklog()
    /// Whether timeouts may be applied after the last wait.
    private(set) var mayHaveTimedOut = true
    /// Number of waits that have returned.
    public private(set) var waits = 0
    /// Whether the last wait returned only because the clock reached ``FakeWorld/horizon``.
    public private(set) var isIdle = false
    /// When the last wait would have timed out; nil for never.
    public private(set) var lastDeadline: Instant?

    init(_ world: FakeWorld, batchLimit: Int, waker: FakeWaker, wakerToken: Token) {
        self.world = world
        self.batchLimit = batchLimit
        self.waker = waker
        self.wakerToken = wakerToken
    }

    func watch(_ file: FakeFile, for readiness: Readiness, token: Token) {
        file.interest = Interest(self, readiness, token)
        signal(file)
    }

    func signal(_ file: FakeFile) {
        guard let interest = file.interest, !interest.isSignalled else { return }
        interest.isSignalled = true
        news.append(News(file: file, interest: interest))
    }

    /// Whether a wait would return events immediately.
    public var hasEvents: Bool {
        waker.isSignalled || news.contains { !Self.reportable($0).isEmpty }
    }

    func wait(until deadline: Instant?) -> Int {
        waits += 1
        lastDeadline = deadline
        isIdle = false
        while true {
            batch = []
            mayHaveTimedOut = false
            if world.faults.interruptsWait() { return 0 }
            if let stale = world.faults.staleEvent(of: reported.count) { batch.append(reported[stale]) }
            collect()
            mayHaveTimedOut = backlog.isDrained(after: batch.count, ofAtMost: batchLimit)
            if !batch.isEmpty { return batch.count }
            if hasEvents { continue }
            if let deadline, deadline <= world.clock { return 0 }
            if world.isAtHorizon {
                isIdle = true
                return 0
            }
            // In a process of one thread nothing else advances the clock: a wait sleeps until something happens.
            guard let next = [deadline, world.nextPlanned, world.horizon].compactMap({ $0 }).min() else {
                preconditionFailure("a wait without a deadline although no event is pending")
            }
            world.advance(to: next)
        }
    }

    private func collect() {
        if waker.takeSignal() { batch.append(PollEvent(token: wakerToken, readiness: .readable)) }
        var rest: [News] = []
        for item in news {
            let readiness = Self.reportable(item)
            guard let interest = item.interest, !readiness.isEmpty else {
                item.interest?.isSignalled = false
                continue
            }
            guard batch.count < batchLimit, !world.faults.delaysEvent() else {
                rest.append(item)
                continue
            }
            let event = PollEvent(token: interest.token, readiness: readiness)
            batch.append(event)
            if world.faults.doublesEvent() { batch.append(event) }
            if world.faults.staleEvents > 0 {
                if reported.count == Self.memory { reported.removeFirst() }
                reported.append(event)
            }
            if interest.readiness.contains(.edgeTriggered) {
                interest.isSignalled = false
            } else {
                rest.append(item)
            }
        }
        news = rest
    }

    /// Errors and hang-ups are reported without being requested (epoll_ctl(2)).
    private static func reportable(_ item: News) -> Readiness {
        guard let file = item.file, let interest = item.interest, file.interest === interest else { return [] }
        return file.readiness.intersection(interest.readiness.union([.failed, .hungUp]))
    }
}

extension FakePoller.Interest {
    func change(_ file: FakeFile, to readiness: Readiness, token: Token) {
        self.readiness = readiness
        self.token = token
        poller.signal(file)
    }
}
