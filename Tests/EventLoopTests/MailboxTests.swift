import EventLoop
import Sockets
import Synchronization
import Testing

private final class CountingWaker: Waker {
    private let calls = Mutex(0)
    var count: Int { calls.withLock { $0 } }
    func wake() { calls.withLock { $0 += 1 } }
}

@Suite("Mailbox")
struct MailboxTests {
    private let waker = CountingWaker()

    @Test("Messages are received once and in order")
    func order() {
        let mailbox = Mailbox<Int>(waker: waker)
        #expect(mailbox.takeAll() == [])
        for number in 1...5 { #expect(mailbox.post(number)) }
        #expect(mailbox.takeAll() == [1, 2, 3, 4, 5])
        #expect(mailbox.takeAll() == [])
    }

    @Test("Only the first of several messages wakes the worker")
    func wakes() {
        let mailbox = Mailbox<Int>(waker: waker)
        for number in 1...5 { mailbox.post(number) }
        #expect(waker.count == 1)
        _ = mailbox.takeAll()
        mailbox.post(6)
        #expect(waker.count == 2)
    }

    @Test("A full mailbox rejects messages until it is emptied")
    func limit() {
        let mailbox = Mailbox<Int>(waker: waker, limit: 2)
        #expect(mailbox.post(1))
        #expect(mailbox.post(2))
        #expect(!mailbox.post(3))
        #expect(mailbox.takeAll() == [1, 2])
        #expect(mailbox.post(4))
        #expect(mailbox.takeAll() == [4])
    }

    @Test("A closed mailbox returns its messages and accepts no more")
    func closed() {
        let mailbox = Mailbox<Int>(waker: waker)
        mailbox.post(1)
        #expect(mailbox.close() == [1])
        #expect(!mailbox.post(2))
        #expect(waker.count == 1)
        #expect(mailbox.takeAll() == [])
        #expect(mailbox.close() == [])
    }

    @Test("Messages of several threads all arrive in order per thread, each with a wakeup")
    func manyThreads() async throws {
        struct Message: Sendable {
            let sender: Int
            let number: Int
        }
        var system = try LinuxSystem(wakerToken: Token(bits: 7))
        let mailbox = Mailbox<Message>(waker: system.waker, limit: .max)
        let (senders, each) = (4, 5000)
        let threads = try (0..<senders).map { sender in
            try WorkerThread.start(name: "sender") {
                for number in 0..<each { mailbox.post(Message(sender: sender, number: number)) }
            }
        }
        var next = [Int](repeating: 0, count: senders)
        let deadline = system.now() + .seconds(60)
        // Relies on the waker alone: a message without a wake-up would stay in the mailbox.
        while next.reduce(0, +) < senders * each, system.now() < deadline {
            guard system.wait(until: deadline) > 0 else { continue }
            #expect(system.event(0).token == Token(bits: 7))
            for message in mailbox.takeAll() {
                #expect(message.number == next[message.sender])
                next[message.sender] += 1
            }
        }
        #expect(next == [Int](repeating: each, count: senders))
        for thread in threads { await thread.join() }
    }
}

@Suite("Worker thread")
struct WorkerThreadTests {
    @Test("The body runs on a thread of the given name, truncated to the system's limit")
    func name() async throws {
        let name = Mutex<String?>(nil)
        try await WorkerThread.start(name: "monkey-worker-17") {
            name.withLock { $0 = ownThreadName() }
        }.join()
        #expect(name.withLock { $0 } == "monkey-worker-1")
    }

    @Test("All waiting tasks see the end, even late ones")
    func joins() async throws {
        let gate = Mutex(false)
        let thread = try WorkerThread.start(name: "gate") {
            while !gate.withLock({ $0 }) { yieldThread() }
        }
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<5 { group.addTask { await thread.join() } }
            gate.withLock { $0 = true }
        }
        await thread.join()
    }

    @Test("Signals are blocked on worker threads")
    func signals() async throws {
        let blocked = Mutex<[Bool]>([])
        try await WorkerThread.start(name: "signals") {
            blocked.withLock { $0 = blockedSignals([2, 15, 13]) }
        }.join()
        #expect(blocked.withLock { $0 } == [true, true, true])
    }

    @Test("A value is transferred once")
    func handover() {
        struct Owner: ~Copyable { let number: Int }
        func number(_ owner: consuming Owner?) -> Int? { if let owner { owner.number } else { nil } }
        let handover = TransferBox(Owner(number: 5))
        #expect(number(handover.take()) == 5)
        #expect(number(handover.take()) == nil)
    }

    @Test("Mapped memory is zeroed")
    func pages() {
        let pages = MappedMemory(bytes: 10_000)
        #expect(UnsafeRawBufferPointer(start: pages.base, count: 10_000).allSatisfy { $0 == 0 })
        pages.free()
    }
}
