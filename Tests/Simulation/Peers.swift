import EventLoop
import FakeSystem
import Randomness
import Sockets

/// The clients and servers of a simulation, with the schedule of their actions.
final class Peers {
    private let scenario: Scenario
    private let world: FakeWorld
    private var random: SplitMix64
    private(set) var clients: [PeerScript] = []
    private(set) var servers: [PeerScript] = []
    /// Called for each program that begins.
    var onProgram: (PeerScript) -> Void = { _ in }
    var tell: (String) -> Void = { _ in }

    /// Period in which clients connect and programs act; then the programs finish.
    static let acts: Duration = .seconds(2)
    /// Number of client addresses.
    static let addresses = 3
    /// Time by which every program has been asked to finish.
    static let duration: Duration = acts * 3

    init(_ scenario: Scenario, in world: FakeWorld) {
        self.scenario = scenario
        self.world = world
        random = SplitMix64(seed: ~scenario.seed)
    }

    var programs: [PeerScript] { clients + servers }

    /// Whether all clients have connected and ended.
    var isOver: Bool {
        clients.count == scenario.clients && clients.allSatisfy { $0.peer.end != nil || $0.isDisturbed }
    }

    /// Schedules everything that will happen.
    func plan(through harness: WorkerHarness) {
        for address in scenario.upstreams {
            let server = world.serve(address)
            server.onAttempt = { [unowned self] in
                varyBuffers()
                return answer()
            }
            server.onConnect = { [unowned self] peer in
                let script = PeerScript(.server, servers.count, peer) { [unowned self] in tell($0) }
                servers.append(script)
                begin(script)
            }
        }
        for number in 0..<scenario.clients {
            let source = InternetAddress(
                v4: 0xC000_0200 + UInt32(number % Self.addresses),
                port: UInt16(40_000 + number)
            )
            var member = Bool.random(using: &random) ? nil : Int.random(in: 0..<scenario.workers, using: &random)
            if scenario.crowd != nil { member = 0 }
            let comesAfter = moment()
            world.plan(after: scenario.crowd ?? comesAfter) { [unowned self, unowned harness] in
                tell("client \(clients.count) connects")
                // The burst of clients arrives exactly at the chosen moment.
                if scenario.crowd != nil { world.latency = .zero }
                varyBuffers()
                let peer = world.connect(to: harness.address, from: .internet(source), member: member)
                let script = PeerScript(.client, clients.count, peer) { [unowned self] in tell($0) }
                clients.append(script)
                begin(script)
            }
        }
        planControl(of: harness)
    }

    /// Schedules the control plane's changes of servers and queries about clients, and changes of the network.
    private func planControl(of harness: WorkerHarness) {
        world.latency = latency()
        for _ in 0..<number(0...4) {
            world.plan(after: moment()) { [unowned self] in world.latency = latency() }
        }
        for _ in 0..<number(0...2) {
            let list = scenario.upstreams.shuffled(using: &random).prefix(number(1...scenario.upstreams.count))
            let servers = scenario.pool(of: Array(list)).servers
            world.plan(after: moment()) { [unowned harness] in harness.change(to: servers) }
        }
        if scenario.balancing != nil { planHealth(of: harness) }
        if number(0...3) == 0 {
            world.plan(after: moment()) { [unowned harness] in
                harness.post(.gather(ClientGather(workers: harness.members.count)))
            }
        }
    }

    /// Servers go down, and may come up again.
    private func planHealth(of harness: WorkerHarness) {
        for _ in 0..<number(0...3) {
            let address = scenario.upstreams.randomElement(using: &random)!
            let downAt = moment()
            world.plan(after: downAt) { [unowned harness] in harness.set(address, isOpen: false) }
            if number(0...2) == 0 { continue }
            world.plan(after: downAt + moment()) { [unowned harness] in harness.set(address, isOpen: true) }
        }
    }

    private func begin(_ script: PeerScript) {
        onProgram(script)
        switch scenario.traffic {
        case .chatter: planChatter(of: script)
        case .bulk: planBulk(of: script)
        }
        if happens(scenario.misbehaviour) { planMisbehaviour(of: script) }
        if happens(scenario.slowReading) { planSlowReading(of: script) }
        if number(0...3) == 0 { planAnswers(of: script) }
        // Finally every program reads and finishes, so that only a timeout may be left to end a connection.
        after(Self.acts, script) {
            $0.resume()
            $0.finish()
        }
    }

    private func planChatter(of script: PeerScript) {
        for _ in 0..<number(0...6) {
            let count = number(1...number(1...30_000))
            after(moment(), script) { $0.send(count) }
        }
        if number(0...3) == 0 { after(moment(), script) { $0.finish() } }
    }

    private func planBulk(of script: PeerScript) {
        for _ in 0..<number(0...3) {
            let count = number(1...1_500_000)
            after(moment(), script) { $0.send(count) }
        }
        if number(0...1) == 0 {
            let count = number(1...2_000)
            for _ in 0..<number(1...10) { after(moment(), script) { $0.send(count) } }
        }
        if number(0...3) == 0 { after(moment(), script) { $0.finish() } }
    }

    /// Schedules a random choice of faults of a connection; several of them can coincide.
    private func planMisbehaviour(of script: PeerScript) {
        if number(0...1) == 0 { planStall(of: script) }
        switch number(0...6) {
        case 0...1: planReset(of: script)
        case 2: after(moment(), script) { $0.close() }
        case 3: planVanishing(of: script)
        default: break
        }
    }

    /// Schedules a reset, possibly in the middle of a stream.
    private func planReset(of script: PeerScript) {
        let begin = moment()
        let count = number(0...scenario.buffers.upperBound)
        after(begin, script) { $0.send(count) }
        after(begin + .microseconds(number(0...50_000)), script) { $0.reset() }
    }

    private func planStall(of script: PeerScript) {
        after(moment(), script) { $0.stall() }
        if Bool.random(using: &random) { after(moment(), script) { $0.resume() } }
        for _ in 0..<number(0...5) {
            let count = number(1...20_000)
            after(moment(), script) { $0.read(count) }
        }
    }

    /// Schedules reads as on a slow link: never still for long, and never complete.
    private func planSlowReading(of script: PeerScript) {
        let interval = Duration.milliseconds(number(20...200))
        let count = number(100...5_000)
        after(.zero, script) { $0.stall() }
        var moment = interval
        while moment < Self.acts {
            after(moment, script) { $0.read(count) }
            moment += interval
        }
    }

    private func planVanishing(of script: PeerScript) {
        let begin = moment()
        after(begin, script) { $0.vanish() }
        if Bool.random(using: &random) { after(begin + moment(), script) { $0.isGivenUp() } }
    }

    /// Like many protocols: the program answers what arrives, and finishes when the other side has.
    private func planAnswers(of script: PeerScript) {
        let delay = moment() / 10
        let closes = Bool.random(using: &random)
        var answered = 0
        script.peer.onChange = { [unowned self, unowned script] peer in
            if peer.end != nil {
                after(delay, script) { closes ? $0.finish() : $0.close() }
            } else if answered < 20 {
                answered += 1
                after(delay, script) { $0.send(10) }
            }
        }
    }

    // MARK: Choices

    private func answer() -> FakeServer.Answer {
        guard happens(scenario.dialTrouble) else { return .accept(after: latency() * 2) }
        return switch number(0...4) {
        case 0: .fail(.connectionRefused, after: moment() / 4)
        case 1: .fail(SystemError(code: 113), after: moment() / 4)
        case 2: .silence
        default: .accept(after: moment())
        }
    }

    /// Varies the socket buffers, as kernels differ: large send and small receive buffers leave many bytes in flight.
    private func varyBuffers() {
        world.sendBuffer = number(scenario.buffers)
        world.receiveBuffer = number(scenario.buffers)
    }

    /// Returns how long a worker waits for a processor.
    func delayOfTurn() -> Duration {
        guard happens(scenario.delayedTurns) else { return .zero }
        return .microseconds(number(1...20_000))
    }

    /// Returns the delay with which a worker receives a message that is sent to all.
    func delayOfWord() -> Duration { .microseconds(number(0...Scenario.telling)) }

    func interleavesTurn() -> Bool { happens(scenario.interleavedTurns) }

    private func latency() -> Duration {
        let slowest = Int(scenario.slowest.wholeNanoseconds / 1_000)
        return .microseconds(number(0...slowest))
    }

    private func moment() -> Duration { .microseconds(number(0...1_999_999)) }

    private func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }

    private func happens(_ probability: Double) -> Bool {
        probability > 0 && Double.random(in: 0..<1, using: &random) < probability
    }

    private func after(_ delay: Duration, _ script: PeerScript, _ act: @escaping (PeerScript) -> Void) {
        world.plan(after: delay) { act(script) }
    }
}
