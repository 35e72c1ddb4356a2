import EventLoop
import FakeSystem
import Relay
import Sockets

/// What must hold whenever all workers wait.
extension InvariantChecker {
    /// Runs all of these checks.
    func rest() {
        if !world.problems.isEmpty { world.problems.forEach(complain) }
        checkFigures()
        for member in harness.members where !harness.isHeldUp(member) {
            checkAccepting(member)
            checkQueue(of: member)
            for slot in 0..<member.worker.sessions.end where member.worker.sessions.isTaken(slot) {
                let session = member.worker.sessions.pointer(to: slot)
                guard let record = byID[session.pointee.id] else { continue }
                checkDeadlines(record)
                checkTimer(slot, of: member, record)
                checkProgress(session, slot, member, record)
            }
        }
    }

    private func checkFigures() {
        var (sessions, underWay, descriptors) = (0, 0, 0)
        var (pipes, pendingHalves, chunks) = (0, 0, 0)
        var (outputs, encodedChunks) = (0, 0)
        var permits: [Int: Int] = [:]
        for member in harness.members {
            sessions += member.worker.sessions.count
            let load = harness.load(of: member)
            // Handed-over connections wait in the mailbox of a worker until it has a processor.
            let handedOver = load - member.worker.sessions.count
            if handedOver < 0 || handedOver > 0 && !harness.isHeldUp(member) {
                complain(
                    "worker \(member.worker.index): counted \(load) connections, but it has \(load - handedOver)"
                )
            }
            underWay += handedOver
            pipes += member.worker.buffers.pipes.inUse
            chunks += member.worker.buffers.chunks.taken
            encodedChunks += member.worker.buffers.encodedChunks
            if member.listener != nil { descriptors += 1 }
            if member.worker.buffers.pipes.inUse > harness.settings.pipes {
                complain("more pipes in use than the limit")
            }
            for slot in 0..<member.worker.sessions.end where member.worker.sessions.isTaken(slot) {
                let session = member.worker.sessions.pointer(to: slot)
                if ConnectionTrace.number(session.pointee.duplex.client.descriptor) != nil { descriptors += 1 }
                if ConnectionTrace.number(session.pointee.duplex.server.descriptor) != nil { descriptors += 1 }
                if let server = session.pointee.dial.server {
                    // A server that has ended or failed has released its permit, as soon as it was sent everything. More
                    // bytes for it may have been received since.
                    let hasFinished =
                        session.pointee.duplex.server.failure != nil
                        || session.pointee.duplex.downstream.state.phase != .open
                    if session.pointee.dial.hasPermit {
                        permits[server.id, default: 0] += 1
                    } else if !hasFinished {
                        complain("server \(server.id) has released the permit of a connection that it has not finished")
                    }
                }
                if session.pointee.duplex.upstream.state.pending > 0 { pendingHalves += 1 }
                if session.pointee.duplex.downstream.state.pending > 0 { pendingHalves += 1 }
                for side in [Side.client, .server] {
                    guard let transform = transform(of: side, slot, member) else { continue }
                    if transform.pendingInput > 0 { pendingHalves += 1 }
                    if transform.pendingOutput > 0 { outputs += 1 }
                }
            }
        }
        if harness.active != sessions { complain("counted \(harness.active) connections, but \(sessions) exist") }
        if harness.active > scenario.limit {
            complain("\(harness.active) connections exceed the limit of \(scenario.limit)")
        }
        // A connection handed over to a worker after its forced close, or without memory for it, is reset immediately, and
        // never counted.
        let unopened = world.accepted - harness.total - underWay
        if unopened < 0 || unopened > 0 && !isCutting && !scenario.hasTransferFailures {
            complain("counted \(harness.total) connections, but \(world.accepted) were accepted")
        }
        if harness.closed != harness.total - sessions {
            complain("counted \(harness.closed) closes of \(harness.total) connections, but \(harness.active) are open")
        }
        if harness[.pipesInUse] != pipes { complain("counted \(harness[.pipesInUse]) pipes, but \(pipes) are in use") }
        if encodedChunks != outputs { complain("\(encodedChunks) chunks are held for \(outputs) encoded outputs") }
        if chunks > pendingHalves { complain("\(chunks) chunks are held for \(pendingHalves) directions with bytes") }
        for server in harness.pools.entries.flatMap(\.servers)
        where server.share.connections != permits[server.share.id, default: 0] {
            complain("\(server.configuration.name): wrong count of \(server.share.connections) connections")
        }
        for (id, count) in permits where count > scenario.balancing?.limit ?? .max {
            complain("server \(id) has \(count) connections, more than its limit")
        }
        // Two for a pipe; a worker may keep some for later use.
        let spare = world.openDescriptors.count - descriptors - underWay - 2 * pipes
        if spare < 0 || spare % 2 != 0 || spare > 8 * harness.members.count {
            complain("\(world.openDescriptors.count) descriptors are open, of which \(spare) have no owner")
        }
    }

    private func checkAccepting(_ member: WorkerHarness.Member) {
        guard let listener = member.listener else { return }
        switch member.worker.pause {
        case nil:
            if world.queued(at: listener) > 0, !isStopping {
                complain("clients wait in the accept queue although accepting is not paused")
            }
        case .connections:
            // While another worker waits for the processor, a message to it may be what this one waits for.
            // A worker that has ended no longer passes permits on; then waiting workers retry by themselves.
            if harness.active < scenario.limit, !isStopping, !harness.members.contains(where: { harness.isHeldUp($0) })
            {
                complain(
                    "worker \(member.worker.index) waits for a permit, but \(scenario.limit - harness.active) are free"
                )
            }
        case .exhausted:
            if member.worker.nextDeadline.map({ $0 > world.clock + WorkerSettings.acceptRetryInterval + Self.tick })
                ?? true
            {
                complain("worker \(member.worker.index) will not retry accepting in time")
            }
        }
    }

    /// Checks that no connection waits for a slot that is free.
    private func checkQueue(of member: WorkerHarness.Member) {
        // While another worker waits for the processor, a message to it may be what this one waits for.
        guard !harness.members.contains(where: { harness.isHeldUp($0) }) else { return }
        let pool = member.worker.pools.pointer(to: 0)
        guard let first = pool.pointee.waiting.first else { return }
        let tried = member.worker.sessions.pointer(to: first).pointee.dial.tried
        for position in 0..<pool.pointee.count where !tried.contains(position) {
            let share = pool.pointee[position].share
            if share.isOpen, share.connections < share.limit {
                complain("worker \(member.worker.index) has queued clients although a server has a free slot")
            }
        }
    }

    private func checkDeadlines(_ record: ConnectionTrace) {
        let timeouts = scenario.listener.timeouts
        func check(_ start: Instant, _ duration: Duration?, _ name: String) {
            guard let duration, world.clock > start + duration + Self.tick else { return }
            complain("\(record.name): its \(name) timeout of \(duration) is overdue")
        }
        check(record.openedAt, timeouts.lifetime, "lifetime")
        switch record.stage {
        case .preread: complain("\(record.name): waits for a preread that is not configured")
        case .handshake where scenario.handshakeDelays > 0:
            check(record.openedAt, timeouts.handshake, "handshake")
            let process = record.client.peer.process
            if process.arrived > process.received { complain("\(record.name): a handshake does not read its bytes") }
        case .handshake, .securing: complain("\(record.name): waits in a handshake that needs no bytes")
        case .queued:
            check(record.searchedSince, scenario.balancing?.queueTimeout, "queue")
            if scenario.balancing?.limit == nil {
                complain("\(record.name): is queued for servers without a maximum")
            }
        case .dialing:
            check(record.searchedSince, timeouts.connect, "connect")
            if record.isToBeRepeated {
                check(record.attemptAt, WorkerSettings.dialRetryInterval, "retry")
            } else {
                check(record.attemptAt, timeouts.connectAttempt, "attempt")
            }
        case .relaying:
            check(record.quietSince, timeouts.idle, "idle")
            if record.halfClosedAt != nil { check(record.quietSince, timeouts.halfClose, "half-close") }
        case .drainingBeforeReset:
            // It polls at intervals only, and the time counts from the poll that saw no change.
            let rechecks = WorkerSettings.resetDrainPollInterval.upperBound * 2 + Self.tick
            check(record.deliveredAt, timeouts.resetDrainTimeout + rechecks, "reset drain")
            if record.delivery.isHandedOver, record.delivery.unacknowledged == 0 {
                check(record.deliveredAt, rechecks, "reset")
            }
        }
    }

    /// A timer that is not set is not late yet, but it will be.
    private func checkTimer(_ slot: Int, of member: WorkerHarness.Member, _ record: ConnectionTrace) {
        guard let next = member.worker.nextDeadline(of: slot) else { return }
        if !member.worker.timers.isScheduled(slot)
            || member.worker.nextDeadline.map({ $0 > next.at + Self.tick }) ?? true
        {
            complain("\(record.name): no timer is set for its deadline")
        }
    }

    /// Checks that no direction waits while it could move bytes.
    private func checkProgress(
        _ session: UnsafeMutablePointer<Session>,
        _ slot: Int,
        _ member: WorkerHarness.Member,
        _ record: ConnectionTrace
    ) {
        // After a call without memory a side is given up though its socket has bytes: the delivery timeout ends it.
        let isGivenUp = session.pointee.stage == .drainingBeforeReset && scenario.hasTransferFailures
        guard session.pointee.stage != .dialing, !isGivenUp,
            let client = ConnectionTrace.number(session.pointee.duplex.client.descriptor),
            let server = ConnectionTrace.number(session.pointee.duplex.server.descriptor)
        else { return }
        let (first, second) = (transform(of: .client, slot, member), transform(of: .server, slot, member))
        let (upstream, downstream) = (session.pointee.duplex.upstream.state, session.pointee.duplex.downstream.state)
        check(upstream, "upstream", record, from: .client, client, first, to: server, second)
        check(downstream, "downstream", record, from: .server, server, second, to: client, first)
    }

    /// The transform of a side; nil if it has none.
    private func transform(
        of side: Side,
        _ slot: Int,
        _ member: WorkerHarness.Member
    ) -> TransformedEndpoint<FakeTransform>? {
        let flags = member.worker.sessions.pointer(to: slot).pointee.flags
        switch side {
        case .client:
            return flags.contains(.transformsClient) ? member.worker.clientTransforms.pointer(to: slot).pointee : nil
        case .server:
            return flags.contains(.transformsServer) ? member.worker.serverTransforms.pointer(to: slot).pointee : nil
        }
    }

    private func check(
        _ state: RelayDirectionState,
        _ name: String,
        _ record: ConnectionTrace,
        from party: Side,
        _ source: Int32,
        _ decoder: TransformedEndpoint<FakeTransform>?,
        to sink: Int32,
        _ encoder: TransformedEndpoint<FakeTransform>?
    ) {
        let hasInput = decoder?.hasInput ?? false
        let hasOutput = encoder?.hasOutput ?? false
        let canSend = world.readiness(of: sink).contains(.writable)
        let hasEnd = !world.readiness(of: source).isDisjoint(with: [.readHangup, .hungUp, .failed])
        let process = world.peer(of: source)?.process ?? FakePeer.ProcessSide()
        let hasBytes = process.arrived > process.received
        // The source of a sustained stream is reported only when many bytes have arrived.
        let isBatching = world.lowWater(of: source) > 1
        if isBatching, state.phase == .open { checkBatching(record, party, name) }
        let mayWait = isBatching && hasBytes && !hasEnd
        if !mayWait || !canSend { record.waiting[party] = nil }
        let isParked: Bool
        switch state.phase {
        case .open where mayWait:
            isParked = canSend && hasWaitedTooLong(record, party, process.received)
        case .open: isParked = canSend && (state.pending > 0 || hasBytes || hasEnd || hasInput || hasOutput)
        case .finishing: isParked = state.pending == 0 && !hasOutput || canSend
        case .breaking: isParked = canSend
        case .finished:
            isParked = false
            if !(world.peer(of: sink)?.process.hasEnded ?? true) {
                complain("\(record.name): a FIN was not forwarded")
            }
        case .broken, .abandoned: isParked = false
        }
        if isParked {
            complain(
                "\(record.name): \(name) is stuck, \(state.phase) with \(state.pending) bytes pending"
            )
        }
    }

    /// Checks that only a direction that has moved many bytes without a pause batches its reads.
    private func checkBatching(_ record: ConnectionTrace, _ party: Side, _ name: String) {
        guard let stream = record.streams[party] else {
            return complain("\(record.name): \(name) batches reads without having moved a byte")
        }
        // Each transfer is counted in whole KiB.
        let moved = stream.received - stream.receivedBefore
        if moved >> 10 < scenario.batching.minimumKiB
            || stream.lastAt.since(stream.beganAt).wholeNanoseconds < scenario.batching.minimumDuration
        {
            complain(
                "\(record.name): \(name) batches reads after \(moved) bytes without a pause"
            )
        }
    }

    /// Bytes that have arrived while the sink is writable wait for more only if reads are batched, and not for long.
    private func hasWaitedTooLong(_ record: ConnectionTrace, _ party: Side, _ received: Int) -> Bool {
        guard let since = record.waiting[party], since.received == received else {
            record.waiting[party] = (world.clock, received)
            return false
        }
        return world.clock.since(since.at).wholeNanoseconds > scenario.batching.delay + Self.tick.wholeNanoseconds
    }
}
