import Glibc
import ProcessSupport
import Sockets
import Support
import Synchronization
import Testing

@Suite("Poller", .ownThreads)
struct PollerTests {
    private let token = Token(slot: 3, generation: 9, kind: 1)

    @Test("An event carries its token and readiness")
    func event() throws {
        let ends = try Ends()
        #expect(try ends.with(.server) { $0.register($1, for: .connection, token: token) } == nil)
        let deadline = ends.system.now() + patience
        #expect(ends.system.wait(until: deadline) == 1)
        #expect(ends.system.event(0).token == token)
        #expect(ends.system.event(0).readiness.contains(.writable))
        _ = try ends.send("x", from: .client)
        _ = try ends.with(.client) { $0.endSending(on: $1) }
        var readiness: Readiness = []
        while !readiness.contains([.readable, .readHangup]), ends.system.now() < deadline {
            if ends.system.wait(until: deadline) == 1 { readiness = ends.system.event(0).readiness }
        }
        #expect(readiness.contains([.readable, .readHangup]))
        // Edge-triggered: an event is reported once.
        #expect(ends.system.wait(until: Instant(nanoseconds: 0)) == 0)
    }

    @Test("A reset is reported as a failure")
    func reset() throws {
        let ends = try Ends()
        #expect(try ends.with(.server) { $0.register($1, for: .connection, token: token) } == nil)
        ends.system.abort(try ends.take(.client))
        let deadline = ends.system.now() + patience
        var readiness: Readiness = []
        while !readiness.contains(.failed), ends.system.now() < deadline {
            if ends.system.wait(until: deadline) == 1 { readiness = ends.system.event(0).readiness }
        }
        #expect(readiness.contains([.failed, .hungUp, .readable]))
    }

    @Test("A watched listener is reported while its queue is not empty")
    func listener() throws {
        let ends = try Ends()
        #expect(try ends.with(.listener) { $0.register($1, for: .readable, token: token) } == nil)
        let past = Instant(nanoseconds: 0)
        #expect(ends.system.wait(until: past) == 0)
        let port = try #require(ends.address.port)
        let client = try TestSocket.connect(to: .ip("127.0.0.1", port: port))
        for _ in 0..<3 { #expect(ends.system.wait(until: ends.system.now() + patience) == 1) }
        #expect(try ends.with(.listener) { $0.modify($1, for: [], token: token) } == nil)
        #expect(ends.system.wait(until: past) == 0)
        #expect(try ends.with(.listener) { $0.modify($1, for: .readable, token: token) } == nil)
        #expect(ends.system.wait(until: past) == 1)
        client.close()
    }

    @Test("A closed descriptor is no longer watched")
    func closed() throws {
        let ends = try Ends()
        #expect(try ends.with(.server) { $0.register($1, for: .connection, token: token) } == nil)
        ends.system.close(try ends.take(.server))
        // A process that another test is starting holds a copy of the descriptor until its exec, which stays
        // registered: until then each byte is an event.
        try soon("end of the events") {
            _ = try ends.send("x", from: .client)
            return ends.system.wait(until: ends.system.now() + .milliseconds(1)) == 0 ? true : nil
        }
    }

    @Test("Registering twice, or changing an unregistered descriptor, is an error")
    func misuse() throws {
        let ends = try Ends()
        #expect(try ends.with(.server) { $0.modify($1, for: [], token: token) } == SystemError(code: ENOENT))
        #expect(try ends.with(.server) { $0.register($1, for: [], token: token) } == nil)
        #expect(try ends.with(.server) { $0.register($1, for: [], token: token) } == SystemError(code: EEXIST))
    }

    @Test("After a full batch a deadline has not been reached: more events may be ready")
    func fullBatch() throws {
        var system = try LinuxSystem(batch: 1, wakerToken: token)
        let deadline = system.now()
        system.waker.wake()
        let first = system.wait(until: deadline)
        let mayHaveTimedOutAtFirst = system.mayHaveTimedOut
        #expect(!mayHaveTimedOutAtFirst)
        var events = first
        var waits = 1
        while !system.mayHaveTimedOut, waits < 10 {
            events += system.wait(until: deadline)
            waits += 1
        }
        #expect(events == 1)
        #expect(waits < 10)
    }

    @Test("The readiness of a descriptor is known without a wait")
    func readiness() throws {
        let ends = try Ends()
        #expect(try ends.with(.server) { $0.readiness(of: $1) } == .writable)
        _ = try ends.send("x", from: .client)
        try soon("readiness") {
            try ends.with(.server) { $0.readiness(of: $1) } == [.readable, .writable] ? true : nil
        }
        _ = try ends.with(.client) { $0.endSending(on: $1) }
        try soon("end") { try ends.with(.server) { $0.readiness(of: $1) }.contains(.readHangup) ? true : nil }
    }

    @Test("A wait ends at its deadline, not before")
    func deadline() throws {
        var system = try LinuxSystem(wakerToken: token)
        for nanoseconds in [0, 1, 999_999, 1_000_001, 3_500_000] as [Int64] {
            let deadline = system.now() + .nanoseconds(nanoseconds)
            #expect(system.wait(until: deadline) == 0)
            #expect(system.now() >= deadline)
        }
        #expect(system.wait(until: Instant(nanoseconds: 0)) == 0)
    }

    @Test("The clock is monotonic")
    func clock() throws {
        var system = try LinuxSystem(wakerToken: token)
        let moments = (0..<100).map { _ in system.now() }
        #expect(moments == moments.sorted())
    }

    @Test("Events beyond a batch are returned by the next wait")
    func batches() throws {
        var system = try LinuxSystem(batch: 2, wakerToken: Token(bits: 99))
        let ends = try (0..<5).map { _ in try Ends() }
        for (index, end) in ends.enumerated() {
            let descriptor = Descriptor(adopting: try end.number(.server))
            #expect(system.register(descriptor, for: .connection, token: Token(bits: UInt64(index))) == nil)
            _ = descriptor.release()
        }
        var tokens: [UInt64] = []
        for expected in [2, 2, 1, 0] {
            let count = system.wait(until: Instant(nanoseconds: 0))
            #expect(count == expected)
            for index in 0..<count { tokens.append(system.event(index).token.bits) }
        }
        #expect(tokens.sorted() == [0, 1, 2, 3, 4])
    }

    @Test("A wakeup from another thread ends a wait without a deadline, and several are merged", .ownThreads)
    func waker() async throws {
        var system = try LinuxSystem(wakerToken: token)
        let waker = system.waker
        async let other: Void = { for _ in 0..<3 { waker.wake() } }()
        let count = system.wait(until: nil)
        await other
        #expect(count == 1)
        let woken = system.event(0).token
        #expect(woken == token)
        // The three were merged into one event or, if some came between, two; none is left after that.
        while system.wait(until: Instant(nanoseconds: 0)) > 0 {}
        waker.wake()
        #expect(system.wait(until: nil) == 1)
    }

    @Test("A waker may outlive its system")
    func waking() throws {
        let waker = try LinuxSystem(wakerToken: token).waker
        waker.wake()
    }
}

@Suite("System errors and descriptors")
struct SystemErrorTests {
    @Test("Errors are classified by the required reaction")
    func kinds() {
        for code in [EMFILE, ENFILE, ENOBUFS, ENOMEM] { #expect(SystemError(code: code).isExhaustion) }
        for code in [ECONNRESET, EPIPE, ECONNABORTED] { #expect(SystemError(code: code).isReset) }
        for code in [ECONNREFUSED, ETIMEDOUT, EINVAL, EADDRINUSE] {
            #expect(!SystemError(code: code).isExhaustion)
            #expect(!SystemError(code: code).isReset)
        }
        #expect(SystemError(result: -Int64(ECONNREFUSED)) == .connectionRefused)
        #expect("\(SystemError.connectionRefused)" == "Connection refused")
    }

    @Test("An error that only a bug can cause traps", .expectsTraps, arguments: [9, 14] as [Int64])
    func bugs(code: Int64) async {
        await #expect(processExitsWith: .failure) { [code] in
            _ = SystemError(result: -code)
        }
    }

    @Test("A leaked descriptor traps, a closed or released one does not", .expectsTraps)
    func lost() async throws {
        await #expect(processExitsWith: .failure) {
            _ = Descriptor(adopting: 1000)
        }
        await #expect(processExitsWith: .failure) {
            _ = Descriptor(adopting: -1).release()
        }
        #expect(Descriptor(adopting: 7).release() == 7)
        let ends = try Ends()
        let number = try ends.number(.server)
        let copy = try LinuxSystem.duplicate(number)
        #expect(copy.number != number)
        #expect(fcntl(copy.number, F_GETFD) == FD_CLOEXEC)
        ends.system.close(copy)
    }

    @Test("The descriptor limit and the number of processors are available")
    func limits() {
        #expect(DescriptorLimit.current > 0)
        #expect(Processors.available >= 1)
    }
}
