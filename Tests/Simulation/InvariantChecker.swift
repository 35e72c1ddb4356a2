import EventLoop
import FakeSystem
import Relay
import Sockets

/// Checks the workers of a simulation after each turn, and whenever nothing more happens without time passing.
///
/// It relies on what the fake kernel and the programs know, not on the workers' own data, wherever both exist.
final class InvariantChecker {
    let scenario: Scenario
    let harness: WorkerHarness
    let world: FakeWorld
    private(set) var complaints: [String] = []
    private(set) var records: [ConnectionTrace] = []
    /// Open connections of each worker, by its number.
    private var open: [[ConnectionTrace]]
    private(set) var byID: [ConnectionID: ConnectionTrace] = [:]
    private var programs: [ObjectIdentifier: PeerScript] = [:]
    private var clients: [PeerAddress: PeerScript] = [:]
    /// Bytes reported by events.
    private(set) var reported = (upstream: 0, downstream: 0)
    private(set) var closures: [MetricsSnapshot.Closure: Int] = [:]
    private(set) var openings = 0
    /// Whether the workers are to stop accepting; they receive the message one after another.
    var isStopping = false
    /// When sending the message to close all connections to the workers began; they receive it one after another.
    var cutSince: Instant?
    var isCutting: Bool { cutSince != nil }

    /// Maximum number of complaints that are worth reading.
    private static let complaintLimit = 20
    /// Permitted lateness of a timer.
    static let tick: Duration = .milliseconds(1)

    init(_ scenario: Scenario, _ harness: WorkerHarness) {
        self.scenario = scenario
        self.harness = harness
        world = harness.world
        open = harness.members.map { _ in [] }
        if scenario.isObserved { harness.hub.subscribe() }
    }

    func meet(_ script: PeerScript) {
        programs[ObjectIdentifier(script.peer)] = script
    }

    func complain(_ complaint: String) {
        guard complaints.count < Self.complaintLimit else { return }
        let time = Double(world.clock.nanoseconds / 1_000) / 1e6
        complaints.append("at \(time) s: \(complaint)")
        world.trace?("VIOLATION: \(complaint)")
    }

    // MARK: After a turn

    func turned(_ member: WorkerHarness.Member) {
        let index = member.worker.index
        let now = world.clock
        var seen: [ConnectionTrace] = []
        for slot in 0..<member.worker.sessions.end where member.worker.sessions.isTaken(slot) {
            let session = member.worker.sessions.pointer(to: slot)
            guard let record = record(of: session) else { continue }
            record.note(session.pointee, at: now, in: world)
            if let number = ConnectionTrace.number(session.pointee.duplex.server.descriptor) {
                record.serverEnd = world.end(of: number)
                findServer(of: record)
                if record.server == nil, record.stage != .dialing { complain("\(record.name): relays to no server") }
            }
            if Int(record.attempts - record.repetitions) > scenario.upstreams.count {
                complain("\(record.name): attempt \(record.attempts), with \(record.repetitions) retries")
            }
            noteStreams(of: session, record)
            seen.append(record)
        }
        for record in open[index] where !seen.contains(where: { $0 === record }) {
            // The server may have accepted it after the last turn, and the first turn that used it may have ended it.
            findServer(of: record)
            record.closure = ConnectionTrace.Closure(at: now)
        }
        open[index] = seen
        if world.abandoned > 0, !isCutting { complain("a client was in the accept queue when listening ended") }
        if scenario.isObserved { readEvents(of: index) }
    }

    private func noteStreams(of session: UnsafeMutablePointer<Session>, _ record: ConnectionTrace) {
        func note(_ party: Side, _ source: Int32?) {
            guard let source, let process = world.peer(of: source)?.process else { return }
            // The delay that batching itself causes is not a pause.
            let delay = world.lowWater(of: source) > 1 ? scenario.batching.delay : 0
            let maxPause = scenario.batching.maxPause + delay
            record.noteStream(
                from: party,
                received: process.received,
                at: world.clock,
                maxPause: maxPause,
                backlog: scenario.batching.backlog
            )
        }
        note(.client, ConnectionTrace.number(session.pointee.duplex.client.descriptor))
        note(.server, ConnectionTrace.number(session.pointee.duplex.server.descriptor))
    }

    private func findServer(of record: ConnectionTrace) {
        record.server = record.serverEnd?.peer.flatMap { programs[ObjectIdentifier($0)] }
    }

    private func record(of session: UnsafeMutablePointer<Session>) -> ConnectionTrace? {
        if let record = byID[session.pointee.id] { return record }
        guard let number = ConnectionTrace.number(session.pointee.duplex.client.descriptor),
            let peer = world.peer(of: number), let client = programs[ObjectIdentifier(peer)]
        else {
            complain("connection \(session.pointee.id) has no client")
            return nil
        }
        return enter(session.pointee.id, client)
    }

    private func enter(_ id: ConnectionID, _ client: PeerScript) -> ConnectionTrace {
        let record = ConnectionTrace(id, client: client, openedAt: world.clock)
        byID[id] = record
        records.append(record)
        return record
    }

    private func readEvents(of index: Int) {
        guard harness.memory.rings[index].count > 0 else { return }
        var events: [MetricEvent] = []
        harness.memory.rings[index].read(into: &events, limit: .max)
        for event in events {
            switch event {
            case .connectionOpened(_, _, let active, let total):
                openings += 1
                if active > scenario.limit || total > world.accepted {
                    complain("an event reports \(active) active connections and \(total) in total")
                }
            case .bytesUpstream(_, _, let count): reported.upstream += count
            case .bytesDownstream(_, _, let count): reported.downstream += count
            case .connectionClosed(let id, _, let reason, let initiator, _):
                closures[.init(reason: reason, initiator: initiator), default: 0] += 1
                // A connection that began and ended within one turn has only its events.
                guard let record = byID[id] else { continue }
                guard record.closure != nil else { return complain("\(record.name): open after its close event") }
                // A server whose connection was abandoned before it was used had nothing to do with the client.
                let used = record.server?.peer.process
                if record.stage == .dialing, reason != .ended, used?.sent == 0, used?.received == 0 {
                    record.server = nil
                }
                record.closure?.reason = reason
                record.closure?.initiator = initiator
                check(record, endedFor: reason, by: initiator)
            }
        }
    }

    /// Checks that the reason of a close is true, and that no timeout is early.
    private func check(_ record: ConnectionTrace, endedFor reason: CloseReason, by initiator: CloseInitiator) {
        let now = world.clock
        let timeouts = scenario.listener.timeouts
        func require(_ start: Instant?, _ duration: Duration?) {
            guard let start, let duration, start + duration <= now else {
                return complain("\(record.name): \(reason) is early or has no cause")
            }
        }
        switch reason {
        case .idleTimeout:
            require(record.quietSince, timeouts.idle)
            checkNothingUnread(by: record, at: reason)
        case .halfCloseTimeout:
            require(record.halfClosedAt.map { _ in record.quietSince }, timeouts.halfClose)
            checkNothingUnread(by: record, at: reason)
        case .lifetime: require(record.openedAt, timeouts.lifetime)
        case .serverDown: complain("\(record.name): server_down without a server marked down")
        case .denied:
            // A client that resets during its TLS handshake counts as denied.
            if !scenario.isTransformed { complain("\(record.name): denied without an access restriction") }
        case .forced: if !isCutting { complain("\(record.name): closed forcibly without a request") }
        case .ended:
            if !record.client.hasFinished || record.server.map({ !$0.hasFinished }) ?? true {
                complain("\(record.name): ended before both sides have ended")
            }
        case .reset:
            let isDisturbed = record.client.isDisturbed || record.server?.isDisturbed ?? false
            if !isDisturbed, !scenario.hasTransferFailures {
                complain("\(record.name): reset without a reset by a initiator")
            }
            checkDelivery(of: record)
        case .connectFailed:
            let isRegistration = initiator == .proxy
            if scenario.dialTrouble == 0, scenario.exhaustion == 0, scenario.balancing == nil,
                isRegistration || record.attempts < 1
            {
                complain("\(record.name): no server without a cause")
            }
        case .noServer, .queueFull, .queueTimeout:
            if initiator != .proxy { complain("\(record.name): \(reason) by \(initiator)") }
            if scenario.balancing == nil { complain("\(record.name): \(reason) with a server without limits") }
        }
    }

    /// A timeout does not end a connection that could have moved bytes, however long its worker had no turn.
    private func checkNothingUnread(by record: ConnectionTrace, at reason: CloseReason) {
        // A call that would have blocked, or failed, by a fault has left bytes.
        guard let server = record.server, scenario.wouldBlocks == 0, !scenario.hasTransferFailures else { return }
        for (from, to) in [(record.client, server), (server, record.client)] {
            let (source, sink) = (from.peer.process, to.peer.process)
            guard source.arrived > source.received, !sink.hasEnded, sink.unacknowledgedAtEnd == 0 else { continue }
            complain("\(record.name): \(reason) with \(source.arrived - source.received) unread bytes of \(from.name)")
        }
    }

    /// A reset discards unacknowledged bytes. So a reset that is passed on waits for their acknowledgement, unless
    /// there is no progress.
    private func checkDelivery(of record: ConnectionTrace) {
        // A side that was given up after a call without memory is reset with all bytes queued for it.
        guard let server = record.server, !scenario.hasTransferFailures else { return }
        for (to, from) in [(server, record.client), (record.client, server)] where to.peer.process.hasReset {
            let lost = from.peer.process.received - to.peer.process.sent + to.peer.process.unacknowledgedAtEnd
            let isGivenUp =
                record.stage == .drainingBeforeReset
                && record.acknowledgedAt + scenario.listener.timeouts.resetDrainTimeout <= world.clock
            if lost > 0, !isGivenUp { complain("\(record.name): its reset has overtaken \(lost) bytes to \(to.name)") }
        }
    }
}
