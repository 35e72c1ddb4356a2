public import Sockets

/// A world without a kernel: a clock that moves only when it is advanced, hosts that a test controls, and one
/// process, the one under test, each of whose workers sees the world through a ``FakeSystem``.
///
/// It behaves like Linux wherever a relay can tell the difference; the tests of the fake run on both there. It is
/// deterministic: the same seed and the same calls give the same run. For use by one thread.
public final class FakeWorld {
    /// The current time.
    public private(set) var clock: Instant
    /// One-way latency to the other host; an acknowledgement takes as long on its way back. It may change at any
    /// time: bytes are not overtaken by later ones.
    public var latency: Duration = .zero
    /// Capacity, in bytes, of the send and receive buffers of new sockets.
    public var sendBuffer = 64 * 1024
    public var receiveBuffer = 64 * 1024
    /// Maximum number of open descriptors of the process.
    public var descriptorLimit = 1024
    /// Faults to inject.
    public var faults: FakeFaults
    /// Errors that a correct program never makes: using or closing descriptors that are not open, and the like.
    public private(set) var problems: [String] = []
    /// Receives one line for each call of the process and each act of its peers.
    public var trace: ((String) -> Void)?

    private var agenda: [Planned] = []
    private var files: [Int32: FakeFile] = [:]
    private var listeners: [SocketAddress: [FakeListener]] = [:]
    private var servers: [SocketAddress: FakeServer] = [:]
    /// All sockets ever created, so that links between them need not own.
    private var sockets: [FakeSocket] = []
    /// All peers ever created, for the same reason.
    private var peers: [FakePeer] = []
    private var clients = 0

    private struct Planned {
        let at: Instant
        let action: () -> Void
    }

    /// - Parameters:
    ///   - seed: determines all random choices.
    ///   - clock: the time at the beginning.
    public init(seed: UInt64 = 0, clock: Instant = Instant(nanoseconds: 1_000_000_000)) {
        faults = FakeFaults(seed: seed)
        self.clock = clock
    }

    // MARK: Time

    /// Schedules an action: for now if the moment has passed, and after earlier actions for the same moment.
    public func plan(at moment: Instant, _ action: @escaping () -> Void) {
        let moment = max(moment, clock)
        var index = agenda.count
        while index > 0, agenda[index - 1].at > moment { index -= 1 }
        agenda.insert(Planned(at: moment, action: action), at: index)
    }

    public func plan(after delay: Duration, _ action: @escaping () -> Void) {
        plan(at: clock + delay, action)
    }

    /// When the next action is scheduled; nil if none is.
    public var nextPlanned: Instant? { agenda.first?.at }

    /// Advances the clock, and runs the actions scheduled until then, each at its moment.
    public func advance(to moment: Instant) {
        while let next = agenda.first, next.at <= moment {
            clock = max(clock, next.at)
            agenda.removeFirst()
            next.action()
        }
        clock = max(clock, moment)
    }

    /// The moment past which no wait advances the clock; a wait that reaches it returns without events. Nil for none.
    public var horizon: Instant?

    var isAtHorizon: Bool {
        guard let horizon, horizon <= clock else { return false }
        return nextPlanned.map { $0 > horizon } ?? true
    }

    // MARK: Hosts

    /// Starts a server that the process can connect to.
    public func serve(_ address: SocketAddress, answer: FakeServer.Answer = .accept()) -> FakeServer {
        let server = FakeServer(at: address, answer: answer)
        servers[address] = server
        return server
    }

    /// Connects to a listening socket of the process.
    ///
    /// - Parameters:
    ///   - address: where the process listens.
    ///   - source: the client's address; nil generates one on 127.0.0.1, each with another port.
    ///   - member: which of several sockets that share the address receives it; nil rotates among them.
    public func connect(to address: SocketAddress, from source: PeerAddress? = nil, member: Int? = nil) -> FakePeer {
        clients += 1
        let name =
            source ?? .internet(InternetAddress(v4: 0x7F00_0001, port: UInt16(truncatingIfNeeded: 40_000 + clients)))
        let near = makeSocket(isUnix: address.port == nil)
        let far = makeSocket(isUnix: address.port == nil)
        let peer = makePeer(far)
        let group = listeners[address] ?? []
        guard !group.isEmpty else {
            far.fail(.connectionRefused)
            return peer
        }
        FakeSocket.link(near, far)
        near.localAddress = address
        group[(member ?? clients) % group.count].arrive(near, far, from: name)
        return peer
    }

    /// Whether the process listens at an address.
    public func listens(at address: SocketAddress) -> Bool { listeners[address]?.isEmpty == false }

    // MARK: The process

    /// Called with each call of the process before it is carried out.
    public var onCall: ((FakeCall) -> Void)?

    /// Number of calls of the process.
    public private(set) var calls = 0
    /// Number of connections that the process has accepted.
    public internal(set) var accepted = 0
    /// Number of connect calls of the process, whatever their result.
    public internal(set) var connects = 0
    /// Number of clients in the accept queues of listening sockets at the time they were closed.
    public internal(set) var abandoned = 0
    /// Number of bytes that the process has spliced from pipes to sockets.
    public internal(set) var spliced = 0

    /// The peer at the far end of a descriptor; nil if there is none.
    public func peer(of descriptor: Int32) -> FakePeer? {
        end(of: descriptor)?.peer
    }

    /// The process's end of the connection behind a descriptor; nil if that is not a socket.
    public func end(of descriptor: Int32) -> FakeEnd? {
        (files[descriptor] as? FakeSocket).map { FakeEnd(socket: $0) }
    }

    /// Bytes of a descriptor that the kernel has sent, or is to send, and that are unacknowledged.
    public func unacknowledged(of descriptor: Int32) -> Int {
        (files[descriptor] as? FakeSocket)?.unacknowledged ?? 0
    }

    /// Minimum number of bytes for a socket to be reported readable.
    public func lowWater(of descriptor: Int32) -> Int {
        (files[descriptor] as? FakeSocket)?.lowWater ?? 1
    }

    /// Number of connections in a listening socket's queue.
    public func queued(at descriptor: Int32) -> Int {
        (files[descriptor] as? FakeListener)?.queued ?? 0
    }

    /// The readiness of a socket, as poll(2) would return it.
    public func readiness(of descriptor: Int32) -> Readiness {
        (files[descriptor] as? FakeSocket)?.presentReadiness ?? []
    }

    /// The open descriptors of the process, sorted.
    public var openDescriptors: [Int32] { files.keys.sorted() }

    /// Records a problem; every entry is a bug, so this prefers false alarms to misses.
    func report(_ problem: String) {
        problems.append(problem)
        log("PROBLEM: \(problem)")
    }

    func note(_ call: @autoclosure () -> FakeCall) {
        calls += 1
        onCall?(call())
    }

    func log(_ text: @autoclosure () -> String) {
        guard let trace else { return }
        trace("\(clock.nanoseconds / 1_000) us: \(text())")
    }

    /// Returns the lowest free number, as POSIX requires, so that numbers are reused immediately.
    func open(_ file: FakeFile) throws(SystemError) -> Descriptor {
        guard files.count < descriptorLimit else { throw .tooManyOpenFiles }
        var number: Int32 = 3
        while files[number] != nil { number += 1 }
        files[number] = file
        return Descriptor(adopting: number)
    }

    var canOpen: Bool { files.count < descriptorLimit }

    func file<File: FakeFile>(_ number: Int32, as type: File.Type = File.self, for call: String) -> File? {
        guard let file = files[number] else {
            report("\(call) on descriptor \(number), which is not open")
            return nil
        }
        guard let right = file as? File else {
            report("\(call) on descriptor \(number), which is not a \(File.self)")
            return nil
        }
        return right
    }

    /// Frees the number.
    func remove(_ number: Int32, for call: String) -> FakeFile? {
        guard let file = files.removeValue(forKey: number) else {
            report("\(call) of descriptor \(number), which is not open")
            return nil
        }
        file.interest = nil
        return file
    }

    // MARK: Sockets

    func makeSocket(isUnix: Bool) -> FakeSocket {
        let socket = FakeSocket(
            in: self,
            isUnix: isUnix,
            sendCapacity: sendBuffer,
            receiveCapacity: receiveBuffer
        )
        sockets.append(socket)
        return socket
    }

    func makePeer(_ socket: FakeSocket) -> FakePeer {
        let peer = FakePeer(socket)
        peers.append(peer)
        return peer
    }

    func server(at address: SocketAddress) -> FakeServer? { servers[address] }

    func listen(at address: SocketAddress, options: ListenOptions) throws(SystemError) -> FakeListener {
        let group = listeners[address] ?? []
        let mayShare = options.sharing == .portMember && group.allSatisfy { $0.canBeJoined }
        guard group.isEmpty || mayShare else { throw .addressInUse }
        let listener = FakeListener(
            at: address,
            backlog: options.backlog,
            canBeJoined: options.sharing != .exclusive,
            remove: { [weak self] listener in self?.listeners[address]?.removeAll { $0 === listener } }
        )
        listeners[address, default: []].append(listener)
        return listener
    }
}
