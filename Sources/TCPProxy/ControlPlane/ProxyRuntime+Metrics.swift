import Balancing
import EventLoop
import ProcessSupport
import Sockets
import Synchronization
import TLS

// Metrics and statistics of a proxy.

extension ProxyRuntime {
    /// Number of closed connections: all, and those closed forcibly.
    var closures: (closed: Int, forced: Int) {
        var closed = 0
        for page in memory.pages {
            for reason in CloseReason.allCases {
                for initiator in CloseInitiator.allCases { closed += page[.closure(reason, initiator)] }
            }
        }
        return (closed, sum(.closure(.forced, .proxy)))
    }

    func snapshot() -> MetricsSnapshot {
        var snapshot = MetricsSnapshot()
        snapshot.activeConnections = memory.connectionLimiter.active
        snapshot.totalConnections = memory.connectionLimiter.total
        snapshot.bytesUpstream = sum(.bytesUpstream)
        snapshot.bytesDownstream = sum(.bytesDownstream)
        snapshot.bytesSplicedUpstream = sum(.splicedUpstream)
        snapshot.bytesSplicedDownstream = sum(.splicedDownstream)
        snapshot.pipesInUse = sum(.pipesInUse)
        snapshot.pipeAllocationFailures = sum(.pipeAllocationFailures)
        snapshot.memoryAllocationFailures = sum(.memoryAllocationFailures)
        snapshot.unservedConnections = sum(.refused)
        for cause in DenyReason.allCases { snapshot.deniedConnections[cause] = sum(.denied(cause)) }
        for cause in DenyReason.limits { snapshot.dryRunDenials[cause] = sum(.dryRun(cause)) }
        for cause in ConnectFailure.allCases { snapshot.connectFailures[cause] = sum(.failure(cause)) }
        for reason in CloseReason.allCases {
            for initiator in CloseInitiator.allCases {
                let count = sum(.closure(reason, initiator))
                if count > 0 { snapshot.closures[.init(reason: reason, initiator: initiator)] = count }
            }
        }
        for bucket in snapshot.connectTime.counts.indices {
            snapshot.connectTime.counts[bucket] = sum(.connectTime(bucket: bucket))
        }
        snapshot.connectTime.sum = .nanoseconds(sum(.connectNanoseconds))
        snapshot.bytesDiscardedUpstream = sum(.discardedUpstream)
        snapshot.bytesDiscardedDownstream = sum(.discardedDownstream)
        snapshot.fullHandshakes = sum(.handshakes(isResumed: false))
        snapshot.resumedHandshakes = sum(.handshakes(isResumed: true))
        snapshot.truncatedUpstream = sum(.truncatedUpstream)
        snapshot.truncatedDownstream = sum(.truncatedDownstream)
        for cause in AcceptPause.allCases { snapshot.acceptPauses[cause] = sum(.pause(cause)) }
        snapshot.eventsDropped = sum(.eventsDropped)
        snapshot.accessRecordsDropped = sum(.recordsDropped) + lostRecords.load(ordering: .relaxed)
        snapshot.certificateReloads = certificateReloads.load(ordering: .relaxed)
        snapshot.failedCertificateReloads = failedCertificateReloads.load(ordering: .relaxed)
        snapshot.openDescriptors = descriptors.current
        snapshot.descriptorLimit = DescriptorLimit.current
        snapshot.maxConnections = memory.connectionLimiter.limit
        snapshot.threads = memory.pages.count
        snapshot.uptime = ContinuousClock.now - startedAt
        return snapshot
    }

    func certificateSnapshots() -> [CertificateSnapshot] {
        listeners.entries.flatMap { entry in
            guard let tls = entry.plan.settings.tls else { return [CertificateSnapshot]() }
            return zip(tls.configuration.certificates, tls.certificates).map { certificate, info in
                CertificateSnapshot(listener: entry.plan.name, name: certificate.chain.name, info: info)
            }
        }
    }

    private func sum(_ counter: Counter) -> Int {
        memory.pages.reduce(0) { $0 + $1[counter] }
    }

    func listenerSnapshots() -> [ListenerSnapshot] {
        listeners.entries.map { entry in
            let figures = listeners.figures(of: entry)
            return ListenerSnapshot(
                name: entry.plan.name,
                address: entry.address,
                pool: entry.plan.pool,
                activeConnections: figures[.opened] - figures[.closed],
                totalConnections: figures[.opened],
                unservedConnections: figures[.refused],
                deniedConnections: Dictionary(
                    uniqueKeysWithValues: DenyReason.allCases.map { ($0, figures[.denied($0)]) }
                ),
                bytesUpstream: figures[.bytesUpstream],
                bytesDownstream: figures[.bytesDownstream],
                dryRunDenials: Dictionary(uniqueKeysWithValues: DenyReason.limits.map { ($0, figures[.dryRun($0)]) })
            )
        }
    }

    func poolSnapshots() -> [PoolSnapshot] {
        pools.entries.map { entry in
            let figures = MetricRow(entry.number, of: memory.poolMetrics) - entry.origin
            return PoolSnapshot(
                name: entry.configuration.name,
                policy: entry.configuration.policy,
                waiting: entry.share.waiting,
                queued: figures[.queued],
                queueTimeouts: figures[.queueTimeouts],
                queueOverflows: figures[.queueOverflows],
                retries: figures[.retries],
                servers: entry.servers.map(snapshot)
            )
        }
    }

    /// Returns the counters of a server since it was added.
    func figures(of server: PoolRegistry.Server) -> MetricRow<ServerMetric> {
        guard server.share.isUsed else { return MetricRow() }
        return MetricRow(server.share.id, of: memory.serverMetrics) - server.origin
    }

    func snapshot(of server: PoolRegistry.Server) -> ServerSnapshot {
        let figures = figures(of: server)
        func sum(_ figure: ServerMetric) -> Int { figures[figure] }
        var connectTime = DurationHistogram()
        for bucket in connectTime.counts.indices { connectTime.counts[bucket] = sum(.connectTime(bucket: bucket)) }
        connectTime.sum = .nanoseconds(sum(.connectNanoseconds))
        var closures: [MetricsSnapshot.Closure: Int] = [:]
        for reason in CloseReason.allCases {
            for initiator in CloseInitiator.allCases {
                let count = sum(.closure(reason, initiator))
                if count > 0 { closures[.init(reason: reason, initiator: initiator)] = count }
            }
        }
        return ServerSnapshot(
            configuration: server.configuration,
            state: server.state,
            cause: server.cause,
            weightOverride: server.weightOverride,
            effectiveWeight: server.configuration.resolutionFailure == nil
                ? Double(server.share.weight) / Double(EffectiveWeight.scale) : 0,
            connections: server.share.connections,
            connected: sum(.connected),
            connectFailures: Dictionary(uniqueKeysWithValues: ConnectFailure.allCases.map { ($0, sum(.failure($0))) }),
            consecutiveFailures: server.share.consecutiveFailures,
            tlsFailure: server.share.tlsFailure == 0 ? nil : "\(TLSFailure(code: Int64(server.share.tlsFailure)))",
            connectTime: connectTime,
            bytesUpstream: sum(.bytesUpstream),
            bytesDownstream: sum(.bytesDownstream),
            closures: closures
        )
    }

    /// Takes a bounded number of records of closed connections from the workers; returns none if records are not
    /// enabled.
    func takeRecords() -> [AccessRecord] {
        var records: [ConnectionRecord] = []
        reading.withLock { _ in
            for ring in memory.records ?? [] { ring.read(into: &records, limit: Self.recordsAtOnce) }
        }
        guard !records.isEmpty else { return [] }
        let converter = WallClockConverter()
        return records.map { record in
            AccessRecord(
                record,
                listener: listeners.name(ofListener: Int(record.listener)),
                pool: pools.name(ofPool: Int(record.pool)),
                server: record.server.flatMap { pools.server($0)?.name },
                converter
            )
        }
    }

    /// Maximum number of records taken from each worker per call.
    private static let recordsAtOnce = 256

    func countLostRecords(_ count: Int) {
        lostRecords.add(count, ordering: .relaxed)
    }

    /// Collects client statistics from all workers; workers that have ended left their final statistics in
    /// ``lastStatistics``.
    func clients() async -> ClientsSnapshot {
        guard threads.withLock({ !$0.isEmpty }) else { return ClientsSnapshot() }
        let gather = ClientGather(workers: mailboxes.count)
        for (index, mailbox) in mailboxes.enumerated() where !mailbox.post(.gather(gather)) {
            gather.report(lastStatistics.withLock { $0[index] })
        }
        return ClientsSnapshot(await gather.all())
    }
}
