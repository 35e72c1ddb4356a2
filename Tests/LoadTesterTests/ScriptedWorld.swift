import Randomness
import Sockets

@testable import LoadTester

/// The peer of a connection, in a world without sockets. Times are nanoseconds of that world's clock.
protocol ScriptedTarget {
    /// Returns the result of a connect, the `number`th from 0 on.
    mutating func accept(_ number: Int, at now: UInt64) -> ScriptedConnect
    /// Returns the events on a connection after bytes have arrived there, each with its time.
    mutating func receive(_ bytes: [UInt8], on number: Int, at now: UInt64) -> [ScriptedEvent]
    /// Returns the events on a connection after its peer has ended its stream.
    mutating func ended(_ number: Int, at now: UInt64) -> [ScriptedEvent]
}

extension ScriptedTarget {
    mutating func accept(_ number: Int, at now: UInt64) -> ScriptedConnect { .established(at: now) }
    mutating func ended(_ number: Int, at now: UInt64) -> [ScriptedEvent] { [ScriptedEvent(at: now, .end)] }
}

enum ScriptedConnect {
    case established(at: UInt64, then: [ScriptedEvent] = [])
    case failed(SystemError, at: UInt64)
    /// connect itself fails.
    case impossible(SystemError)
    case never
}

struct ScriptedEvent {
    enum What {
        case bytes([UInt8])
        case end
        case reset
    }

    var at: UInt64
    var what: What

    init(at moment: UInt64, _ what: What) {
        at = moment
        self.what = what
    }
}

/// Connections, and a clock that advances only during a wait.
final class ScriptedWorld<Target: ScriptedTarget> {
    var target: Target
    var clock: UInt64
    /// The duration of each call on this clock.
    var costOfACall: UInt64 = 0
    /// Maximum size of one send, and of one arriving chunk; the actual size is random, up to it.
    var largestPiece = Int.max
    var chaos = SplitMix64(seed: 0)
    private(set) var calls = 0
    private(set) var connects = 0
    private(set) var registrations = 0
    private(set) var closes = 0
    private(set) var aborts = 0
    private(set) var acknowledgements = 0
    private(set) var waits = 0
    /// Bytes that reached the target.
    private(set) var bytesSent = 0
    /// Number of waits that had neither a pending event nor a deadline: a hang.
    private(set) var endlessWaits = 0

    private var connections: [Int32: ScriptedConnection] = [:]
    private var agenda: [(at: UInt64, run: (ScriptedWorld) -> Void)] = []
    /// Connections with events since the last wait, in the order of the events.
    private var changed: [Int32] = []
    private var isWoken = false
    private var batch: [PollEvent] = []
    private var nextDescriptor: Int32 = 100

    init(_ target: Target, clock: UInt64 = 1_000_000_000) {
        self.target = target
        self.clock = clock
    }

    var openConnections: Int { connections.count }

    func configuration(at moment: UInt64, _ run: @escaping (ScriptedWorld) -> Void) {
        // Kept in order: the event scheduled last is usually the latest.
        let moment = max(moment, clock)
        var index = agenda.count
        while index > 0, agenda[index - 1].at > moment { index -= 1 }
        agenda.insert((moment, run), at: index)
    }

    /// Interrupts the wait, as a waker does.
    func wakeUp() { isWoken = true }

    // MARK: The system's side

    func countCall() {
        calls += 1
        clock += costOfACall
    }

    func wait(until deadline: UInt64?) -> Int {
        countCall()
        waits += 1
        runAgenda()
        changed.removeAll { connections[$0]?.hasEvent != true }
        while changed.isEmpty, !isWoken {
            guard let goal = [agenda.first?.at, deadline].compactMap({ $0 }).min() else {
                endlessWaits += 1
                preconditionFailure("a wait without a deadline although no event is pending")
            }
            clock = max(clock, goal)
            runAgenda()
            if let deadline, clock >= deadline { break }
        }
        batch = changed.compactMap { connections[$0]?.takeEvent() }
        changed = []
        if isWoken { batch.append(PollEvent(token: .loadWaker, readiness: .readable)) }
        isWoken = false
        return batch.count
    }

    func event(_ index: Int) -> PollEvent { batch[index] }

    func connect() throws(SystemError) -> Int32 {
        countCall()
        let number = connects
        connects += 1
        let descriptor = nextDescriptor
        switch target.accept(number, at: clock) {
        case .impossible(let error):
            throw error
        case .established(let moment, let events):
            connections[descriptor] = ScriptedConnection(number: number)
            configuration(at: moment) { $0.change(descriptor) { $0.establish() } }
            schedule(events, on: descriptor)
        case .failed(let error, let moment):
            connections[descriptor] = ScriptedConnection(number: number)
            configuration(at: moment) { $0.change(descriptor) { $0.fail(error) } }
        case .never:
            connections[descriptor] = ScriptedConnection(number: number)
        }
        nextDescriptor += 1
        return descriptor
    }

    func register(_ descriptor: Int32, token: Token) {
        countCall()
        registrations += 1
        change(descriptor) { $0.token = token }
    }

    func sendDelayedACK() {
        countCall()
        acknowledgements += 1
    }

    func takeError(of descriptor: Int32) -> SystemError? {
        countCall()
        return connections[descriptor]?.error
    }

    func receive(from descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer) -> IOResult {
        countCall()
        guard let connection = connections[descriptor] else { return .failed(SystemError(code: 9)) }
        let count = min(buffer.count, connection.inbox.count)
        if count > 0 {
            buffer.copyBytes(from: connection.inbox[..<count])
            connections[descriptor]?.inbox.removeFirst(count)
            return .moved(count)
        }
        if let error = connection.error { return .failed(error) }
        return connection.hasEnded ? .ended : .wouldBlock
    }

    func send(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> IOResult {
        countCall()
        guard let connection = connections[descriptor] else { return .failed(SystemError(code: 9)) }
        if let error = connection.error { return .failed(error) }
        guard connection.isEstablished else { return .wouldBlock }
        let count = min(bytes.count, piece())
        if count < bytes.count {
            // The socket is writable again at the next poll.
            change(descriptor) { $0.isWritable = true }
        }
        bytesSent += count
        schedule(target.receive(Array(bytes.prefix(count)), on: connection.number, at: clock), on: descriptor)
        return .moved(count)
    }

    func endSending(on descriptor: Int32) {
        countCall()
        guard let connection = connections[descriptor] else { return }
        schedule(target.ended(connection.number, at: clock), on: descriptor)
    }

    func close(_ descriptor: Int32, isAbort: Bool) {
        countCall()
        if isAbort { aborts += 1 } else { closes += 1 }
        connections[descriptor] = nil
    }

    // MARK: -

    private func piece() -> Int {
        largestPiece == .max ? .max : Int.random(in: 1...largestPiece, using: &chaos)
    }

    private func schedule(_ events: [ScriptedEvent], on descriptor: Int32) {
        for event in events.flatMap(inPieces) {
            // A stream preserves its order.
            let moment = max(event.at, connections[descriptor]?.lastDelivery ?? 0)
            connections[descriptor]?.lastDelivery = moment
            configuration(at: moment) { world in
                world.change(descriptor) { connection in
                    switch event.what {
                    case .bytes(let bytes): connection.deliver(bytes)
                    case .end: connection.end()
                    case .reset: connection.fail(.connectionReset)
                    }
                }
            }
        }
    }

    /// Splits the bytes into chunks that arrive a microsecond apart, if there is a maximum chunk size.
    private func inPieces(_ event: ScriptedEvent) -> [ScriptedEvent] {
        guard largestPiece < .max, case .bytes(var rest) = event.what else { return [event] }
        var pieces: [ScriptedEvent] = []
        while !rest.isEmpty {
            let count = min(rest.count, piece())
            pieces.append(ScriptedEvent(at: event.at + UInt64(pieces.count) * 1000, .bytes(Array(rest.prefix(count)))))
            rest.removeFirst(count)
        }
        return pieces
    }

    private func runAgenda() {
        let due = agenda.prefix { $0.at <= clock }
        agenda.removeFirst(due.count)
        for item in due { item.run(self) }
    }

    /// Applies an event to a connection, if it still exists.
    private func change(_ descriptor: Int32, _ body: (inout ScriptedConnection) -> Void) {
        guard var connection = connections.removeValue(forKey: descriptor) else { return }
        body(&connection)
        connections[descriptor] = connection
        changed.append(descriptor)
    }
}

private struct ScriptedConnection {
    let number: Int
    var token: Token?
    var inbox: [UInt8] = []
    var lastDelivery: UInt64 = 0
    var isEstablished = false
    var hasEnded = false
    var error: SystemError?
    /// Events that the poller has not reported yet.
    var isReadable = false
    var isWritable = false
    var tellsEnd = false

    init(number: Int) {
        self.number = number
    }

    var hasEvent: Bool { token != nil && (isReadable || isWritable || tellsEnd) }

    mutating func establish() {
        guard error == nil else { return }
        isEstablished = true
        isWritable = true
    }

    mutating func deliver(_ bytes: [UInt8]) {
        inbox += bytes
        isReadable = true
    }

    mutating func end() {
        hasEnded = true
        tellsEnd = true
    }

    mutating func fail(_ error: SystemError) {
        self.error = error
        inbox = []
        tellsEnd = true
    }

    /// Returns the pending event, edge-triggered: once. Like Linux, reports the full state when something has changed.
    mutating func takeEvent() -> PollEvent? {
        guard hasEvent, let token else { return nil }
        var bits: UInt32 = 0
        if !inbox.isEmpty || hasEnded || error != nil { bits |= Readiness.readable.rawValue }
        if isEstablished { bits |= Readiness.writable.rawValue }
        if hasEnded || error != nil { bits |= Readiness.readHangup.rawValue }
        if error != nil { bits |= Readiness.failed.rawValue | Readiness.hungUp.rawValue }
        (isReadable, isWritable, tellsEnd) = (false, false, false)
        return PollEvent(token: token, readiness: Readiness(rawValue: bits))
    }
}

/// The world as seen by a generator.
struct ScriptedSystem<Target: ScriptedTarget>: LoadSystem, ~Copyable {
    let world: ScriptedWorld<Target>
    let waker = SilentWaker()

    init(_ world: ScriptedWorld<Target>) {
        self.world = world
    }

    var calls: Int { world.calls }
    var processorTime: ProcessorTime { ProcessorTime() }

    mutating func now() -> Instant { Instant(nanoseconds: world.clock) }
    mutating func wait(until deadline: Instant?) -> Int { world.wait(until: deadline?.nanoseconds) }
    mutating func event(_ index: Int) -> PollEvent { world.event(index) }

    mutating func register(
        _ descriptor: borrowing Descriptor,
        for readiness: Readiness,
        token: Token
    ) -> SystemError? {
        world.register(descriptor.number, token: token)
        return nil
    }

    mutating func modify(
        _ descriptor: borrowing Descriptor,
        for readiness: Readiness,
        token: Token
    ) -> SystemError? {
        world.register(descriptor.number, token: token)
        return nil
    }

    mutating func connect(
        to address: borrowing RawAddress,
        from source: borrowing RawAddress?,
        options: borrowing SocketOptions
    ) throws(SystemError) -> Descriptor {
        Descriptor(adopting: try world.connect())
    }

    mutating func takeError(of descriptor: borrowing Descriptor) -> SystemError? {
        world.takeError(of: descriptor.number)
    }

    mutating func receive(
        from descriptor: borrowing Descriptor,
        into buffer: UnsafeMutableRawBufferPointer
    ) -> IOResult {
        world.receive(from: descriptor.number, into: buffer)
    }

    mutating func send(_ bytes: UnsafeRawBufferPointer, to descriptor: borrowing Descriptor) -> IOResult {
        world.send(bytes, to: descriptor.number)
    }

    mutating func endSending(on descriptor: borrowing Descriptor) -> SystemError? {
        world.endSending(on: descriptor.number)
        return nil
    }

    mutating func unacknowledged(on descriptor: borrowing Descriptor) -> Int { 0 }

    mutating func sendDelayedACK(on descriptor: borrowing Descriptor) { world.sendDelayedACK() }

    mutating func close(_ descriptor: consuming Descriptor) {
        world.close(descriptor.release(), isAbort: false)
    }

    mutating func abort(_ descriptor: consuming Descriptor) {
        world.close(descriptor.release(), isAbort: true)
    }

    // A load tester neither listens nor splices.
    mutating func listen(at address: SocketAddress, options: ListenOptions) throws(SystemError) -> Descriptor {
        throw SystemError(code: 95)
    }

    mutating func localAddress(of descriptor: borrowing Descriptor) throws(SystemError) -> SocketAddress {
        throw SystemError(code: 95)
    }

    mutating func accept(from listener: borrowing Descriptor) -> AcceptResult { .wouldBlock }

    mutating func pipe(capacity: Int) throws(SystemError) -> Pipe { throw SystemError(code: 95) }

    mutating func splice(
        from source: borrowing Descriptor,
        to sink: borrowing Descriptor,
        atMost count: Int
    ) -> IOResult {
        .wouldBlock
    }
}

struct SilentWaker: Waker {
    func wake() {}
}
