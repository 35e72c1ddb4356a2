import EventLoop
import Sockets
import Synchronization

// Changes of listeners, pools and servers while the workers run.

extension ProxyRuntime {
    /// Replaces the listeners and pools, and returns when all workers use the new ones.
    ///
    /// All steps that can fail come first; if one throws, nothing has changed.
    func change(
        listeners: [ListenerConfiguration],
        pools: [PoolConfiguration],
        initial: @escaping InitialServerStates = { server, _ in InitialServerState(server) }
    ) async throws(ProxyError) -> ProxyChange {
        await changes.acquire()
        defer { changes.release() }
        return try await replace(listeners: listeners, pools: pools, initial: initial)
    }

    /// Replaces TLS of listeners and pools by their names, and nothing else. Names that no longer exist or have no TLS are
    /// ignored.
    func change(
        listenerTLS: [String: ListenerTLS],
        poolTLS: [String: PoolTLS]
    ) async throws(ProxyError) -> ProxyChange {
        await changes.acquire()
        defer { changes.release() }
        let listeners = listeners.entries.map { entry in
            var listener = entry.plan.configuration
            if let tls = listenerTLS[listener.name], listener.tls != nil { listener.tls = tls }
            return listener
        }
        let pools = pools.entries.map { entry in
            var pool = entry.configuration
            if let tls = poolTLS[pool.name], pool.tls != nil { pool.tls = tls }
            return pool
        }
        return try await replace(listeners: listeners, pools: pools) { server, _ in InitialServerState(server) }
    }

    /// The caller holds the permit of ``changes``.
    private func replace(
        listeners: [ListenerConfiguration],
        pools: [PoolConfiguration],
        initial: @escaping InitialServerStates
    ) async throws(ProxyError) -> ProxyChange {
        let poolDraft = try self.pools.draft(pools, initial: initial)
        let listenerDraft: ListenerRegistry.Draft
        let sockets: NewSockets
        do throws(ProxyError) {
            var plan = try await ProxyPlan(listeners: listeners, pools: pools, present: self.listeners.tls) {
                poolDraft.number(of: $0)
            }
            try plan.assignSharedLimits(in: memory)
            listenerDraft = try self.listeners.draft(plan.listeners)
            do throws(ProxyError) {
                sockets = try NewSockets(
                    listenerDraft.opened,
                    workers: mailboxes.count,
                    joinable: self.listeners.endingPorts(listenerDraft),
                    inherited: inheritedSockets.withLock(\.self)
                )
            } catch {
                self.listeners.abandon(listenerDraft)
                throw error
            }
            do throws(ProxyError) {
                let numbered = Dictionary(uniqueKeysWithValues: poolDraft.entries.map { ($0.number, $0.configuration) })
                try plan.checkLoops(at: listenerDraft.addresses(sockets.listenings), numbered)
            } catch {
                sockets.close()
                self.listeners.abandon(listenerDraft)
                throw error
            }
        } catch {
            self.pools.abandon(poolDraft)
            throw error
        }
        return try await make(poolDraft, listenerDraft, sockets)
    }

    private func make(
        _ poolDraft: PoolRegistry.Draft,
        _ listenerDraft: ListenerRegistry.Draft,
        _ sockets: NewSockets
    ) async throws(ProxyError) -> ProxyChange {
        let (poolsBefore, listenersBefore) = (pools.entries, listeners.entries)
        let changed = isEnding.withLock { isEnding -> [PoolRegistry.Entry]? in
            guard !isEnding else { return nil }
            // From here on, clients can no longer connect to the Unix sockets of the closed listeners.
            for entry in listenerDraft.closed { entry.file?.remove() }
            listeners.commit(listenerDraft, sockets.listenings)
            memory.loops.listen(on: listeners.entries.map(\.address))
            return pools.commit(poolDraft)
        }
        guard let changed else {
            sockets.close()
            listeners.abandon(listenerDraft)
            pools.abandon(poolDraft)
            throw .stopping
        }
        let difference = ProxyChange(
            pools: (poolsBefore, pools.entries),
            listeners: (listenersBefore, listenerDraft),
            in: self
        )
        await tell(changed, listenerDraft, sockets)
        return difference
    }

    private func tell(
        _ changed: [PoolRegistry.Entry],
        _ draft: ListenerRegistry.Draft,
        _ sockets: NewSockets
    ) async {
        let quiescent = listeners.quiescentNumbers
        let version = version.withLock { version in
            version += 1
            return version
        }
        let latch = CountdownLatch(workers: mailboxes.count)
        let plans = zip(changed, PoolRegistry.plans(of: changed)).map { entry, plan in
            WorkerChange.Pool(number: entry.number, plan: plan)
        }
        for worker in mailboxes.indices {
            let change = WorkerChange(
                version: version,
                pools: plans,
                listeners: draft.listeners(ofWorker: worker, sockets),
                closed: draft.closedNumbers,
                latch: latch
            )
            if await !post(.change(change), to: worker) {
                sockets.close(worker: worker)
                latch.report()
            }
        }
        await latch.wait()
        listeners.collect(quiescent)
        pools.freeNumbers(but: listeners.usedPools)
        pools.collect()
    }

    /// Posts a message to a worker, and waits while its mailbox is full.
    ///
    /// - Returns: false if the worker has ended.
    private func post(_ message: WorkerMessage, to worker: Int) async -> Bool {
        while !mailboxes[worker].post(message) {
            guard !mailboxes[worker].isClosed else { return false }
            // The mailbox is full: the worker must first process thousands of messages.
            try? await Task.sleep(for: .milliseconds(1))
        }
        return true
    }

    /// Replaces the servers of a pool, and returns when all workers use them. Does nothing if the pool has been
    /// removed.
    ///
    /// - Parameter isWanted: called when the change is next in turn; the change is skipped if it returns false.
    /// - Returns: whether the change was made.
    /// - Throws: ``ProxyError/tooManyServers(limit:)``.
    @discardableResult
    func change(
        pool number: Int,
        to servers: [ServerConfiguration],
        initial: @escaping InitialServerStates = { server, _ in InitialServerState(server) },
        ifStill isWanted: @Sendable () -> Bool = { true }
    ) async throws(ProxyError) -> Bool {
        await changes.acquire()
        defer { changes.release() }
        guard isWanted(), let plan = try pools.change(number, to: servers, initial: initial) else { return false }
        await tell(plan, ofPool: number)
        pools.collect()
        return true
    }

    /// Sends the plan of a pool to all workers again, after its inputs have changed.
    func refresh(pool number: Int) async {
        await changes.acquire()
        defer { changes.release() }
        guard let entry = pools.entry(number) else { return }
        await tell(entry.plan, ofPool: number)
    }

    private func tell(_ plan: PoolPlan, ofPool number: Int) async {
        let latch = CountdownLatch(workers: mailboxes.count)
        for worker in mailboxes.indices where await !post(.pool(plan, at: number, latch), to: worker) {
            latch.report()
        }
        await latch.wait()
    }
}

extension ListenerRegistry.Draft {
    /// Returns the listeners that a worker must open or move, in ascending order of their numbers.
    func listeners(ofWorker worker: Int, _ sockets: NewSockets) -> [WorkerChange.Listener] {
        var opened = 0
        var listeners: [WorkerChange.Listener] = []
        for (index, (plan, step)) in steps.enumerated() {
            let limits: Int
            switch step {
            case .kept(let entry):
                limits = entry.limits
            case .moved(let former, let number):
                let options = former.plan.options == plan.options ? nil : plan.options
                limits = former.limits
                listeners.append(
                    .init(
                        number: number,
                        source: .moved(from: former.number, options),
                        settings: plan.settings,
                        limits: limits
                    )
                )
            case .opened(let number):
                let source = WorkerChange.Listener.Source.opened(
                    sockets.numbers[opened][worker],
                    isInherited: sockets.listenings[opened].isInherited
                )
                limits = number
                listeners.append(.init(number: number, source: source, settings: plan.settings, limits: limits))
                opened += 1
            case .adopted(let former, let number, _):
                limits = number
                let source = WorkerChange.Listener.Source.moved(from: former, plan.options)
                listeners.append(.init(number: number, source: source, settings: plan.settings, limits: limits))
            }
            for case .moved(let former, let number, _) in aliases[index] {
                let source = WorkerChange.Listener.Source.moved(from: former, plan.options)
                listeners.append(.init(number: number, source: source, settings: plan.settings, limits: limits))
            }
        }
        return listeners.sorted { $0.number < $1.number }
    }
}
