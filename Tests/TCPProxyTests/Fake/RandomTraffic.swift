import FakeSystem
import Sockets

/// Clients and servers that do what a seed decides: speak, stall, end and reset, each at its own time, in a world where
/// transfers are short, calls find nothing and events come late or twice.
///
/// Whatever a program sends is the pattern from an offset of its own, so that what arrives tells whose it is.
final class RandomTraffic {
    /// A program at one end of a connection, and what it has in mind.
    private final class Actor {
        let peer: FakePeer
        let offset: Int
        private(set) var sent = 0
        /// Whether it has ended its stream in order.
        private(set) var hasFinished = false

        init(_ peer: FakePeer, offset: Int) {
            self.peer = peer
            self.offset = offset
            send(RandomTraffic.signature)
        }

        func send(_ count: Int) {
            guard !hasFinished else { return }
            peer.sendPattern(from: offset + sent, count: count)
            sent += count
        }

        func finish() {
            peer.finish()
            hasFinished = true
        }

        func close() {
            peer.close()
            hasFinished = true
        }

        /// Whether what somebody has received began with this one's bytes.
        func hasSent(_ bytes: [UInt8]) -> Bool {
            BytePattern.firstDifference(in: Array(bytes.prefix(RandomTraffic.signature)), from: offset) == nil
        }
    }

    let world: FakeWorld
    private var random: SplitMix64
    private var clients: [Actor] = []
    private var servers: [Actor] = []

    /// Everybody sends so many bytes first, and from so far apart in the pattern that they tell who it is.
    private static let signature = 16
    private static let distance = 997
    /// A program's acts are in so long after its beginning, and beginnings in as long after the world's.
    private static let acts: Duration = .seconds(2)
    /// By then all have been told to end.
    static let duration: Duration = acts * 3

    init(seed: UInt64) {
        world = FakeWorld(seed: seed)
        random = SplitMix64(seed: ~seed)
        world.latency = .microseconds(Int.random(in: 0...3000, using: &random))
        world.sendBuffer = Int.random(in: 100...40_000, using: &random)
        world.receiveBuffer = Int.random(in: 100...40_000, using: &random)
        world.faults.shortTransfers = chance()
        world.faults.wouldBlocks = chance()
        world.faults.doubledEvents = chance()
        world.faults.lateEvents = chance()
        world.faults.interruptedWaits = chance()
        world.faults.largestSegment = Int.random(in: 1...3, using: &random) == 1 ? 500 : .max
    }

    private func chance() -> Double {
        Bool.random(using: &random) ? 0 : Double.random(in: 0...0.4, using: &random)
    }

    private func moment() -> Duration {
        .microseconds(Int.random(in: 0..<2_000_000, using: &random))
    }

    /// Plans the lives of so many clients, and of the servers that they get.
    func plan(clients count: Int, through proxy: FakeProxy) {
        for server in proxy.servers {
            server.onConnect = { [unowned self] peer in
                let actor = Actor(peer, offset: (2 * servers.count + 1) * Self.distance)
                servers.append(actor)
                plan(actor)
            }
        }
        for _ in 0..<count {
            world.plan(after: moment()) { [unowned self] in
                let actor = Actor(proxy.connect(), offset: 2 * clients.count * Self.distance)
                clients.append(actor)
                plan(actor)
            }
        }
        for _ in 0..<Int.random(in: 0...10, using: &random) {
            let error = [SystemError.tooManyOpenFiles, SystemError(code: 105)].randomElement(using: &random)!
            let call = [FakeFaults.Call.accept, .connect, .pipe].randomElement(using: &random)!
            world.plan(after: moment()) { [unowned self] in world.faults.fail(call, with: error) }
        }
    }

    /// It sends some, stalls perhaps, and comes to some end.
    private func plan(_ actor: Actor) {
        for _ in 0..<Int.random(in: 0...6, using: &random) {
            let count = Int.random(in: 1...Int.random(in: 1...60_000, using: &random), using: &random)
            world.plan(after: moment()) { actor.send(count) }
        }
        if Int.random(in: 0...2, using: &random) == 0 {
            world.plan(after: moment()) { actor.peer.isReading = false }
        }
        switch Int.random(in: 0...5, using: &random) {
        case 0: world.plan(after: moment()) { actor.peer.reset() }
        case 1: world.plan(after: moment()) { actor.close() }
        case 2: world.plan(after: moment()) { actor.finish() }
        default: break
        }
        // In the end everybody reads on and ends, so that nothing is left that a time-out would have to end.
        world.plan(after: Self.acts) {
            actor.peer.isReading = true
            actor.finish()
        }
    }

    /// What is not as it must be, now that all is over.
    var complaints: [String] {
        check(servers, against: clients, "server") + check(clients, against: servers, "client")
    }

    /// What arrived is the beginning of what somebody sent, and all of it where the stream came to its end in order.
    private func check(_ receivers: [Actor], against senders: [Actor], _ name: String) -> [String] {
        receivers.enumerated().compactMap { index, receiver in
            let received = receiver.peer.received
            let isClean = receiver.peer.end == .fin
            if received.count < Self.signature {
                return isClean ? "\(name) \(index): a clean end after \(received.count) bytes" : nil
            }
            guard let sender = senders.first(where: { $0.hasSent(received) }) else {
                return "\(name) \(index): nobody has sent what it received"
            }
            if let wrong = BytePattern.firstDifference(in: received, from: sender.offset) {
                return "\(name) \(index): byte \(wrong) of \(received.count) is wrong"
            }
            if received.count > sender.sent { return "\(name) \(index): received more than was sent" }
            if isClean, !sender.hasFinished { return "\(name) \(index): an end that nobody has sent" }
            if isClean, received.count < sender.sent {
                return "\(name) \(index): a clean end after \(received.count) of \(sender.sent) bytes"
            }
            return nil
        }
    }

    var clientCount: Int { clients.count }
    /// Streams that have come to their ends in order.
    var cleanEnds: Int { (clients + servers).count { $0.peer.end == .fin } }
    /// Bytes that have come to the programs.
    var receivedUpstream: Int { servers.reduce(0) { $0 + $1.peer.received.count } }
    var receivedDownstream: Int { clients.reduce(0) { $0 + $1.peer.received.count } }
}
