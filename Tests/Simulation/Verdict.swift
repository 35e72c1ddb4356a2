import FakeSystem
import Relay
import Sockets
import Workers

// Checks of the proxy after the end of a run.

extension Witness {
    func judge(_ cast: Cast) {
        checkLeftovers()
        checkSums(cast)
        checkAttempts()
        if scenario.isObserved { checkEvents() }
        checkClientFigures(cast)
        checkStreams(cast)
        for record in records { checkEnd(of: record) }
    }

    private func checkLeftovers() {
        world.problems.forEach(complain)
        if !world.openDescriptors.isEmpty { complain("descriptors \(world.openDescriptors) were never closed") }
        if crew.active != 0 { complain("\(crew.active) connections are still counted") }
        for pool in crew.pools.entries where pool.share.waiting != 0 {
            complain("\(pool.share.waiting) clients are still said to wait for a server")
        }
        if crew.placesTaken != 0 { complain("\(crew.placesTaken) places are still taken") }
        for member in crew.members {
            if crew.load(of: member) != 0 {
                complain("worker \(member.worker.index) is still said to have \(crew.load(of: member)) connections")
            }
            if member.worker.buffers.chunks.taken != 0 { complain("chunks were never given back") }
            if !member.worker.ready.isEmpty { complain("connections that are gone are ready") }
            for timer in 0..<member.worker.timers.capacity
            where member.worker.timers.isScheduled(timer) && timer != member.worker.pipeTimer {
                complain("timer \(timer) of worker \(member.worker.index) is still set")
            }
        }
    }

    /// Compares the counters with the bytes that the kernels have counted.
    private func checkSums(_ cast: Cast) {
        func compare(_ counter: Counter, _ expected: Int, _ name: String) {
            if crew[counter] != expected { complain("\(name): counted \(crew[counter]), and it was \(expected)") }
        }
        let toServers = cast.servers.map(\.peer.process)
        let toClients = cast.clients.map(\.peer.process)
        func sum(_ sides: [FakePeer.ProcessSide], _ figure: KeyPath<FakePeer.ProcessSide, Int>) -> Int {
            sides.reduce(0) { $0 + $1[keyPath: figure] }
        }
        compare(.bytesUpstream, sum(toServers, \.sent), "bytes upstream")
        compare(.bytesDownstream, sum(toClients, \.sent), "bytes downstream")
        let spliced = crew[.splicedUpstream] + crew[.splicedDownstream]
        if spliced != world.spliced { complain("\(spliced) spliced bytes counted, and it was \(world.spliced)") }
        // Bytes received and not passed on are certainly lost; bytes passed on and unacknowledged are possibly lost.
        func checkDiscarded(
            _ counter: Counter,
            _ from: [FakePeer.ProcessSide],
            _ to: [FakePeer.ProcessSide],
            _ name: String
        ) {
            let least = sum(from, \.received) - sum(to, \.sent)
            let most = least + sum(to, \.unacknowledgedAtEnd)
            if !(least...max(least, most)).contains(crew[counter]) {
                complain("bytes discarded \(name): counted \(crew[counter]), and it was \(least) to \(most)")
            }
        }
        checkDiscarded(.discardedUpstream, toClients, toServers, "upstream")
        checkDiscarded(.discardedDownstream, toServers, toClients, "downstream")
    }

    /// Each connection attempt has exactly one result.
    private func checkAttempts() {
        func closures(_ reason: CloseReason) -> Int { Side.allCases.reduce(0) { $0 + crew[.closure(reason, $1)] } }
        let failures = ConnectFailure.allCases.reduce(0) { $0 + crew[.failure($1)] }
        let told = crew.connected + failures
        // A timeout, a shutdown or the client's end can happen in the middle of an attempt, or between two.
        let least = world.connects - closures(.lifetime) - closures(.cut)
        let most = world.connects + crew[.failure(.clientGone)] + crew[.refused]
        if told < least || told > most {
            complain("\(told) results of \(world.connects) attempts to connect, not \(least) to \(most)")
        }
        if crew[.refused] != crew[.closure(.connectFailed, .server)] {
            complain("\(crew[.refused]) clients counted as refused")
        }
        let served = closures(.ended) + closures(.idleTimeout) + closures(.halfCloseTimeout)
        if crew.connected < served { complain("\(crew.connected) connections had a server, \(served) needed one") }
    }

    /// Events and counters agree.
    private func checkEvents() {
        if crew[.eventsDropped] != 0 { complain("events were dropped, where each was read at once") }
        if openings != crew.total { complain("\(openings) openings were told of \(crew.total)") }
        if told != (crew[.bytesUpstream], crew[.bytesDownstream]) { complain("events tell of \(told) bytes") }
        for reason in CloseReason.allCases {
            for side in Side.allCases {
                let counted = crew[.closure(reason, side)]
                let told = closures[.init(reason: reason, side: side)] ?? 0
                if counted != told { complain("\(reason) by \(side): counted \(counted) times, told \(told) times") }
            }
        }
    }

    /// The statistics of each client address are the sum of its connections.
    private func checkClientFigures(_ cast: Cast) {
        var figures: [PeerAddress: (connections: Int, upstream: Int, downstream: Int)] = [:]
        for member in crew.members {
            let part = member.worker.clientFigures()
            for entry in part.closed + part.running {
                let before = figures[entry.address] ?? (0, 0, 0)
                figures[entry.address] = (
                    before.connections + entry.total, before.upstream + entry.bytesUpstream,
                    before.downstream + entry.bytesDownstream
                )
            }
        }
        let connections = figures.values.reduce(0) { $0 + $1.connections }
        let upstream = figures.values.reduce(0) { $0 + $1.upstream }
        let downstream = figures.values.reduce(0) { $0 + $1.downstream }
        if (connections, upstream, downstream) != (crew.total, crew[.bytesUpstream], crew[.bytesDownstream]) {
            complain("clients' figures add up to \(connections) connections, \(upstream) and \(downstream) bytes")
        }
        if connections > 0, figures.count > Cast.addresses {
            complain("figures of \(figures.count) addresses, and there were \(Cast.addresses)")
        }
    }

    /// Bytes arrive at their destination, and nowhere else.
    private func checkStreams(_ cast: Cast) {
        var paired: Set<ObjectIdentifier> = []
        for record in records {
            guard let server = record.server else { continue }
            paired.insert(ObjectIdentifier(record.client))
            paired.insert(ObjectIdentifier(server))
            if let complaint = server.complaint(from: record.client) { complain(complaint) }
            if let complaint = record.client.complaint(from: server) { complain(complaint) }
        }
        for program in cast.programs where !paired.contains(ObjectIdentifier(program)) {
            if !program.peer.received.isEmpty { complain("\(program.name): bytes from nobody") }
            // A server whose connection was abandoned before it was used sees a clean end.
            if program.role == .client, program.peer.end == .fin {
                complain("\(program.name): a clean end from nobody")
            }
        }
        for program in cast.programs where !program.isDisturbed && program.peer.end == nil && program.peer.isReading {
            complain("\(program.name): never heard of the end of its connection")
        }
    }

    /// An undisturbed connection ended cleanly, and a broken one first delivered the bytes it had.
    private func checkEnd(of record: Record) {
        guard let reason = record.closure?.reason else {
            if record.closure == nil { complain("\(record.name): never ended") }
            return
        }
        // If a forced close has freed a slot for a queued connection, that one is closed soon after.
        let hadTime = cutSince.map { record.openedAt < $0 } ?? true
        if case .atEnd = scenario.shutdown, reason == .cut, hadTime, record.stage != .queued,
            !record.client.isDisturbed,
            !(record.server?.isDisturbed ?? false), scenario.transferFailures == 0
        {
            complain("\(record.name): everybody had ended, and it had to be cut")
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
            guard scenario.transferFailures == 0, record.stage != .dialing else { return }
            for (to, from) in [(server, record.client), (record.client, server)] {
                guard !to.isDisturbed, !to.hasStalled else { continue }
                if to.peer.received.count < from.peer.process.arrived {
                    complain(
                        "\(to.name): \(from.peer.process.arrived) bytes came for it, it has \(to.peer.received.count)"
                    )
                }
            }
        case .connectFailed, .idleTimeout, .halfCloseTimeout, .lifetime, .serverDown, .denied, .cut:
            break
        }
    }
}
