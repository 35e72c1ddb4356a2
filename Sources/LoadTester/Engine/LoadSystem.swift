import Glibc
import Sockets

/// A system that also counts its calls and processor time.
protocol LoadSystem: System, ~Copyable {
    /// Number of system calls since creation.
    var calls: Int { get }
    /// Processor time of the calling thread, in nanoseconds.
    var processorTime: ProcessorTime { get }
    /// Maximum number of events that one wait returns.
    var eventsPerWait: Int { get }
}

/// Processor time of a thread, in nanoseconds.
struct ProcessorTime: Sendable, Hashable {
    var user = 0
    var system = 0

    var total: Int { user + system }
}

/// Linux, with a wait resolution of microseconds and counted system calls.
///
/// `LinuxSystem` waits in whole milliseconds, which is too coarse for a request due in 50 us. So the deadline of a wait
/// is a timerfd registered with the poller; it is set only if the deadline differs from the previous one.
struct MeteredSystem: LoadSystem, ~Copyable {
    private var system: LinuxSystem
    private let timer: PreciseTimer
    private var timerDeadline: Instant?
    private var latest = Instant(nanoseconds: 0)
    private(set) var calls = 0
    private static let batch = 256

    /// - Parameters:
    ///   - wakerToken: token of the waker's events.
    ///   - timerToken: token of the timer's events; the events need no handling.
    init(wakerToken: Token, timerToken: Token) throws(SystemError) {
        var system = try LinuxSystem(batch: Self.batch, wakerToken: wakerToken)
        let timer = try PreciseTimer()
        // Borrowed for the registration: the timer owns the descriptor and closes it.
        let descriptor = Descriptor(adopting: timer.number)
        let error = system.register(descriptor, for: [.readable, .edgeTriggered], token: timerToken)
        _ = descriptor.release()
        if let error { throw error }
        self.system = system
        self.timer = timer
    }

    var processorTime: ProcessorTime { .ofThread }

    var eventsPerWait: Int { Self.batch }

    var waker: LinuxWaker { system.waker }

    @inline(__always)
    mutating func now() -> Instant {
        latest = system.now()
        return latest
    }

    @inline(__always)
    mutating func wait(until deadline: Instant?) -> Int {
        calls += 1
        guard let deadline else { return system.wait(until: nil) }
        if deadline <= latest { return system.wait(until: Instant(nanoseconds: 0)) }
        if deadline != timerDeadline {
            calls += 1
            timer.set(to: deadline)
            timerDeadline = deadline
        }
        return system.wait(until: nil)
    }

    @inline(__always)
    mutating func event(_ index: Int) -> PollEvent { system.event(index) }

    mutating func register(_ descriptor: borrowing Descriptor, for readiness: Readiness, token: Token) -> SystemError? {
        calls += 1
        return system.register(descriptor, for: readiness, token: token)
    }

    mutating func modify(_ descriptor: borrowing Descriptor, for readiness: Readiness, token: Token) -> SystemError? {
        calls += 1
        return system.modify(descriptor, for: readiness, token: token)
    }

    mutating func listen(at address: SocketAddress, options: ListenOptions) throws(SystemError) -> Descriptor {
        try system.listen(at: address, options: options)
    }

    mutating func localAddress(of descriptor: borrowing Descriptor) throws(SystemError) -> SocketAddress {
        calls += 1
        return try system.localAddress(of: descriptor)
    }

    mutating func accept(from listener: borrowing Descriptor) -> AcceptResult {
        calls += 1
        return system.accept(from: listener)
    }

    mutating func connect(
        to address: borrowing RawAddress,
        from source: borrowing RawAddress?,
        options: borrowing SocketOptions
    ) throws(SystemError) -> Descriptor {
        // socket and connect; 3 socket options except for a Unix socket; 1 more option and bind if there is a source
        // address.
        calls += address.isUnix ? 2 : 5
        if source != nil { calls += 2 }
        return try system.connect(to: address, from: source, options: options)
    }

    mutating func mayConnectToItself(_ address: borrowing RawAddress) -> Bool {
        system.mayConnectToItself(address)
    }

    mutating func isConnectedToItself(_ descriptor: borrowing Descriptor) -> Bool {
        calls += 2
        return system.isConnectedToItself(descriptor)
    }

    mutating func takeError(of descriptor: borrowing Descriptor) -> SystemError? {
        calls += 1
        return system.takeError(of: descriptor)
    }

    @inline(__always)
    mutating func receive(
        from descriptor: borrowing Descriptor,
        into buffer: UnsafeMutableRawBufferPointer
    ) -> IOResult {
        calls += 1
        return system.receive(from: descriptor, into: buffer)
    }

    @inline(__always)
    mutating func send(_ bytes: UnsafeRawBufferPointer, to descriptor: borrowing Descriptor) -> IOResult {
        calls += 1
        return system.send(bytes, to: descriptor)
    }

    mutating func endSending(on descriptor: borrowing Descriptor) -> SystemError? {
        calls += 1
        return system.endSending(on: descriptor)
    }

    mutating func unacknowledged(on descriptor: borrowing Descriptor) -> Int {
        calls += 1
        return system.unacknowledged(on: descriptor)
    }

    mutating func sendDelayedACK(on descriptor: borrowing Descriptor) {
        calls += 1
        system.sendDelayedACK(on: descriptor)
    }

    mutating func close(_ descriptor: consuming Descriptor) {
        calls += 1
        system.close(descriptor)
    }

    mutating func abort(_ descriptor: consuming Descriptor) {
        calls += 2
        system.abort(descriptor)
    }

    mutating func pipe(capacity: Int) throws(SystemError) -> Pipe {
        try system.pipe(capacity: capacity)
    }

    mutating func splice(
        from source: borrowing Descriptor,
        to sink: borrowing Descriptor,
        atMost count: Int
    ) -> IOResult {
        calls += 1
        return system.splice(from: source, to: sink, atMost: count)
    }
}

extension ProcessorTime {
    /// The processor time of the calling thread (getrusage(2), RUSAGE_THREAD).
    static var ofThread: ProcessorTime {
        var usage = rusage()
        // RUSAGE_THREAD is 1; the Glibc module does not export it.
        getrusage(1, &usage)
        return ProcessorTime(user: usage.ru_utime.nanoseconds, system: usage.ru_stime.nanoseconds)
    }
}

extension timeval {
    fileprivate var nanoseconds: Int { Int(tv_sec) * 1_000_000_000 + Int(tv_usec) * 1000 }
}
