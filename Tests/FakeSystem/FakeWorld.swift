public import Sockets

/// A world without a kernel: a clock that stands still until somebody moves it on, hosts that a test acts for, and one
/// process, the one under test, whose workers see it through a ``FakeSystem`` each.
///
/// It does as Linux does where a relay can tell the difference; where that is, the tests of the fake run on both. It
/// is deterministic: the same seed and the same acts give the same story. For one thread.
public final class FakeWorld {
    /// The time now.
    public private(set) var clock: Instant
    /// How long anything takes to the other host; an acknowledgement takes as long on its way back. It may change at any
    /// time: what has been sent is never overtaken.
    public var latency: Duration = .zero
    /// Bytes that the queues of new sockets hold.
    public var sendBuffer = 64 * 1024
    public var receiveBuffer = 64 * 1024
    /// How many descriptors the process may have open.
    public var descriptorLimit = 1024
    /// What goes wrong.
    public var faults: FakeFaults
    /// What no right program does: descriptors used or closed that are not open, and the like.
    public private(set) var problems: [String] = []
    /// Told of each call of the process and each act of its peers, for whoever wants to read the story.
    public var listener: ((String) -> Void)?

    private var agenda: [Planned] = []
    private var files: [Int32: FakeFile] = [:]
    private var listeners: [SocketAddress: [FakeListener]] = [:]
    private var servers: [SocketAddress: FakeServer] = [:]
    /// Every socket there ever was, so that links between them need not own.
    private var sockets: [FakeSocket] = []
    /// The same with the programs at their far ends.
    private var peers: [FakePeer] = []
    private var clients = 0

    private struct Planned {
        let at: Instant
        let action: () -> Void
    }

    /// - Parameters:
    ///   - seed: decides what chance decides.
    ///   - clock: the time at the beginning.
    public init(seed: UInt64 = 0, clock: Instant = Instant(nanoseconds: 1_000_000_000)) {
        faults = FakeFaults(seed: seed)
        self.clock = clock
    }

    // MARK: Time

    /// Has something done at a moment: now if it has passed, and after what was planned for the same moment before.
    public func plan(at moment: Instant, _ action: @escaping () -> Void) {
        let moment = max(moment, clock)
        var index = agenda.count
        while index > 0, agenda[index - 1].at > moment { index -= 1 }
        agenda.insert(Planned(at: moment, action: action), at: index)
    }

    public func plan(after delay: Duration, _ action: @escaping () -> Void) {
        plan(at: clock + delay, action)
    }

    /// When the next thing is planned; nil if nothing is.
    public var nextPlanned: Instant? { agenda.first?.at }

    /// Moves the clock on, and does what was planned until then, each thing at its moment.
    public func advance(to moment: Instant) {
        while let next = agenda.first, next.at <= moment {
            clock = max(clock, next.at)
            agenda.removeFirst()
            next.action()
        }
        clock = max(clock, moment)
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
    ///   - source: who connects; nil makes up somebody on 127.0.0.1, each on another port.
    ///   - member: which of several sockets that share the address gets it; nil takes them in turn.
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

    /// What other threads of the process do right before a call of one: told at calls that they could come between.
    public var onCall: (() -> Void)?

    /// How many connections it has accepted.
    public internal(set) var accepted = 0
    /// How often it has called connect, whatever came of it.
    public internal(set) var connects = 0
    /// How many clients were in a queue of its when it closed the listening socket.
    public internal(set) var abandoned = 0
    /// Bytes that it has spliced from pipes to sockets.
    public internal(set) var spliced = 0

    /// Who is at the far end of a descriptor; nil if nobody is.
    public func peer(of descriptor: Int32) -> FakePeer? {
        end(of: descriptor)?.peer
    }

    /// The end of a connection that the process has by a descriptor; nil if that is no socket's.
    public func end(of descriptor: Int32) -> FakeEnd? {
        (files[descriptor] as? FakeSocket).map { FakeEnd(socket: $0) }
    }

    /// What the kernel has sent of a descriptor's bytes, or is to send, and nobody has acknowledged.
    public func unacknowledged(of descriptor: Int32) -> Int {
        (files[descriptor] as? FakeSocket)?.unacknowledged ?? 0
    }

    /// How many bytes must wait at a socket before it is reported readable.
    public func lowWater(of descriptor: Int32) -> Int {
        (files[descriptor] as? FakeSocket)?.lowWater ?? 1
    }

    /// How many wait in a listening socket's queue.
    public func queued(at descriptor: Int32) -> Int {
        (files[descriptor] as? FakeListener)?.queued ?? 0
    }

    /// What poll(2) would say of a socket.
    public func readiness(of descriptor: Int32) -> Readiness {
        (files[descriptor] as? FakeSocket)?.presentReadiness ?? []
    }

    /// The descriptors it has open, in order.
    public var openDescriptors: [Int32] { files.keys.sorted() }

    /// Errs on the side of noise: every entry is a bug.
    func report(_ problem: String) {
        problems.append(problem)
        tell("PROBLEM: \(problem)")
    }

    func tell(_ text: @autoclosure () -> String) {
        guard let listener else { return }
        listener("\(clock.nanoseconds / 1_000) us: \(text())")
    }

    /// The lowest free number, as POSIX wants it, so that numbers are used again at once.
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
            report("\(call) on descriptor \(number), which is no \(File.self)")
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
        let mayShare = options.sharing == .joining && group.allSatisfy { $0.canBeJoined }
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
