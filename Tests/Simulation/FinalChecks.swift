import EventLoop
import FakeSystem
import Relay
import Sockets

// Checks of the proxy after the end of a run.

extension InvariantChecker {
    func checkEnd(of peers: Peers) {
        checkLeftovers()
        checkSums(peers)
        checkAttempts()
        if scenario.isObserved { checkEvents() }
        checkClientFigures(peers)
        checkStreams(peers)
        for record in records { checkEnd(of: record) }
    }

    private func checkLeftovers() {
        world.problems.forEach(complain)
        if !world.openDescriptors.isEmpty { complain("descriptors \(world.openDescriptors) were not closed") }
        if harness.active != 0 { complain("\(harness.active) connections are still counted") }
        for pool in harness.pools.entries where pool.share.waiting != 0 {
            complain("\(pool.share.waiting) clients are still counted as queued")
        }
        if harness.placesTaken != 0 { complain("\(harness.placesTaken) permits are still in use") }
        for member in harness.members {
            if harness.load(of: member) != 0 {
                complain("worker \(member.worker.index) still counts \(harness.load(of: member)) connections")
            }
            if member.worker.buffers.chunks.taken != 0 { complain("chunks were not released") }
            if !member.worker.ready.isEmpty { complain("closed connections are in the ready list") }
            for timer in 0..<member.worker.timers.capacity
            where member.worker.timers.isScheduled(timer) && timer != member.worker.pipeTimer {
                complain("timer \(timer) of worker \(member.worker.index) is still set")
            }
        }
    }

    /// Compares the counters with the bytes that the kernels have counted.
    private func checkSums(_ peers: Peers) {
        func compare(_ counter: Counter, _ expected: Int, _ name: String) {
            if harness[counter] != expected { complain("\(name): counted \(harness[counter]), expected \(expected)") }
        }
        let toServers = peers.servers.map(\.peer.process)
        let toClients = peers.clients.map(\.peer.process)
        func sum(_ sides: [FakePeer.ProcessSide], _ figure: KeyPath<FakePeer.ProcessSide, Int>) -> Int {
            sides.reduce(0) { $0 + $1[keyPath: figure] }
        }
        compare(.bytesUpstream, sum(toServers, \.sent), "bytes upstream")
        compare(.bytesDownstream, sum(toClients, \.sent), "bytes downstream")
        let spliced = harness[.splicedUpstream] + harness[.splicedDownstream]
        if spliced != world.spliced { complain("spliced: counted \(spliced), expected \(world.spliced)") }
        // Bytes received and not passed on are certainly lost; bytes passed on and unacknowledged are possibly lost.
        func checkDiscarded(
            _ counter: Counter,
            _ from: [FakePeer.ProcessSide],
            _ to: [FakePeer.ProcessSide],
            _ name: String
        ) {
            let received = sum(from, \.received) - sum(to, \.sent)
            // Bytes of denied clients, and those in a transform that has failed, are not counted.
            let least = scenario.hasHandshakeTrouble ? 0 : received
            let most = received + sum(to, \.unacknowledgedAtEnd)
            if !(least...max(least, most)).contains(harness[counter]) {
                complain("bytes discarded \(name): \(harness[counter]), expected \(least) to \(most)")
            }
        }
        checkDiscarded(.discardedUpstream, toClients, toServers, "upstream")
        checkDiscarded(.discardedDownstream, toServers, toClients, "downstream")
    }

    /// Each connection attempt has exactly one result.
    private func checkAttempts() {
        func closures(_ reason: CloseReason) -> Int {
            CloseInitiator.allCases.reduce(0) { $0 + harness[.closure(reason, $1)] }
        }
        let failures = ConnectFailure.allCases.reduce(0) { $0 + harness[.failure($1)] }
        let results = harness.connected + failures
        // A timeout, a shutdown or the client's end can happen in the middle of an attempt, or between two.
        let least = world.connects - closures(.lifetime) - closures(.forced)
        let most = world.connects + harness[.failure(.clientGone)] + harness[.refused]
        if results < least || results > most {
            complain("\(results) results of \(world.connects) connection attempts, expected \(least) to \(most)")
        }
        let unserved =
            harness[.closure(.connectFailed, .server)] + closures(.noServer) + closures(.queueFull)
            + closures(.queueTimeout)
        if harness[.refused] != unserved {
            complain("wrong count of \(harness[.refused]) refused clients")
        }
        let served = closures(.ended) + closures(.idleTimeout) + closures(.halfCloseTimeout)
        if harness.connected < served {
            complain("\(harness.connected) connections had a server, \(served) needed one")
        }
    }

    /// Events and counters agree.
    private func checkEvents() {
        if harness[.eventsDropped] != 0 { complain("events were dropped although each was read immediately") }
        if openings != harness.total { complain("\(openings) opening events for \(harness.total) connections") }
        if reported != (harness[.bytesUpstream], harness[.bytesDownstream]) {
            complain("events report \(reported) bytes")
        }
        for reason in CloseReason.allCases {
            for initiator in CloseInitiator.allCases {
                let counted = harness[.closure(reason, initiator)]
                let reported = closures[.init(reason: reason, initiator: initiator)] ?? 0
                if counted != reported {
                    complain("\(reason) by \(initiator): \(counted) counted, \(reported) reported")
                }
            }
        }
    }

    /// The statistics of each client address are the sum of its connections.
    private func checkClientFigures(_ peers: Peers) {
        var statistics: [PeerAddress: (connections: Int, upstream: Int, downstream: Int)] = [:]
        for member in harness.members {
            let part = member.worker.clientStatistics()
            for entry in part.closed + part.running {
                let before = statistics[entry.address] ?? (0, 0, 0)
                statistics[entry.address] = (
                    before.connections + entry.total, before.upstream + entry.bytesUpstream,
                    before.downstream + entry.bytesDownstream
                )
            }
        }
        let connections = statistics.values.reduce(0) { $0 + $1.connections }
        let upstream = statistics.values.reduce(0) { $0 + $1.upstream }
        let downstream = statistics.values.reduce(0) { $0 + $1.downstream }
        if (connections, upstream, downstream) != (harness.total, harness[.bytesUpstream], harness[.bytesDownstream]) {
            complain("client statistics sum to \(connections) connections, \(upstream) and \(downstream) bytes")
        }
        if connections > 0, statistics.count > Peers.addresses {
            complain("statistics of \(statistics.count) addresses, expected \(Peers.addresses)")
        }
    }

    /// Bytes arrive at their destination, and nowhere else.
    private func checkStreams(_ peers: Peers) {
        var paired: Set<ObjectIdentifier> = []
        for record in records {
            guard let server = record.server else { continue }
            paired.insert(ObjectIdentifier(record.client))
            paired.insert(ObjectIdentifier(server))
            if let complaint = server.complaint(from: record.client) { complain(complaint) }
            if let complaint = record.client.complaint(from: server) { complain(complaint) }
        }
        for script in peers.programs where !paired.contains(ObjectIdentifier(script)) {
            if !script.peer.received.isEmpty { complain("\(script.name): bytes without a sender") }
            // A server whose connection was abandoned before it was used sees a clean end.
            // A failed handshake ends with a FIN.
            if script.role == .client, script.peer.end == .fin, !scenario.hasHandshakeTrouble {
                complain("\(script.name): a FIN without a sender")
            }
        }
        for script in peers.programs where !script.isDisturbed && script.peer.end == nil && script.peer.isReading {
            complain("\(script.name): its connection was not closed")
        }
    }

    /// An undisturbed connection ended cleanly, and a broken one first delivered the bytes it had.
    private func checkEnd(of record: ConnectionTrace) {
        guard let reason = record.closure?.reason else {
            if record.closure == nil { complain("\(record.name): not closed") }
            return
        }
        // If a forced close has freed a slot for a queued connection, that one is closed soon after.
        let hadTime = cutSince.map { record.openedAt < $0 } ?? true
        if case .atEnd = scenario.shutdown, reason == .forced, hadTime, record.stage != .queued,
            !record.client.isDisturbed,
            !(record.server?.isDisturbed ?? false), !scenario.hasTransferFailures
        {
            complain("\(record.name): closed forcibly after both sides had ended")
        }
        guard let server = record.server else { return }
        switch reason {
        case .ended:
            for (to, from) in [(server, record.client), (record.client, server)] where !to.isDisturbed {
                if !to.hasAll(of: from) {
                    complain(
                        "\(to.name): has \(to.peer.received.count) of \(from.sent) and \(String(describing: to.peer.end))"
                    )
                }
            }
        case .reset:
            // Bytes of a client that is gone have no destination if there was no server yet.
            guard !scenario.hasTransferFailures, record.stage != .dialing else { return }
            for (to, from) in [(server, record.client), (record.client, server)] {
                guard !to.isDisturbed, !to.hasStalled else { continue }
                if to.peer.received.count < from.peer.process.arrived {
                    complain(
                        "\(to.name): received \(to.peer.received.count) of \(from.peer.process.arrived) bytes"
                    )
                }
            }
        case .connectFailed, .idleTimeout, .halfCloseTimeout, .lifetime, .serverDown, .denied, .forced, .noServer,
            .queueFull, .queueTimeout:
            break
        }
    }
}
