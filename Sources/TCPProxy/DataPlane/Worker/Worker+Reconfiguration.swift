import Sockets
import EventLoop

// Reconfiguration of a worker's listeners and pools.

/// A configuration change in a single message: between two wakeups a worker uses the old configuration, then the new
/// one.
struct WorkerChange: Sendable {
    struct Pool: Sendable {
        var number: Int
        var plan: PoolPlan
    }

    struct Listener: Sendable {
        enum Source: Sendable {
            /// A new socket of this worker, by descriptor number.
            case opened(Int32)
            /// The socket of another listener of this worker; the options, if any, are applied to it.
            case moved(from: Int, ListenOptions?)
        }

        var number: Int
        var source: Source
        var settings: ListenerSettings
        /// The number of the listener's ``ListenerLimits``.
        var limits: Int
    }

    /// The sequence number of the change, starting at 1.
    var version: Int
    /// New and changed pools.
    var pools: [Pool]
    /// New and changed listeners, in the order of their numbers.
    var listeners: [Listener]
    /// Listeners to close. Their connections continue.
    var closed: [Int]
    let latch: CountdownLatch
}

extension Worker where S: ~Copyable {
    @inline(never)
    mutating func change(to change: WorkerChange) {
        for pool in change.pools { setPool(pool.plan, at: pool.number) }
        for listener in change.listeners { begin(listener, version: change.version) }
        for number in change.closed { stopAccepting(number) }
        // From now on, other workers may hand over connections accepted by the new listeners.
        shared.loads.setVersion(change.version, of: index)
        change.latch.report()
    }

    private mutating func begin(_ listener: WorkerChange.Listener, version: Int) {
        switch listener.source {
        case .opened(let number):
            var descriptor: Descriptor? = Descriptor(adopting: number)
            if isStopping, let unwanted = descriptor.take() { system.close(unwanted) }
            set(listener, descriptor, version: version)
        case .moved(let former, let options):
            let old = listeners.pointer(to: former)
            let (isWatched, endsAt) = (old.pointee.isWatched, old.pointee.endsAt)
            let descriptor = old.pointee.descriptor.take()
            old.pointee.endsAt = nil
            if descriptor != nil { shared.listenerMetrics.add(-1, to: .open, of: former) }
            set(listener, descriptor, version: version)
            let new = listeners.pointer(to: listener.number)
            new.pointee.isWatched = isWatched
            new.pointee.endsAt = endsAt
            if let options, new.pointee.descriptor != nil { system.adjust(new.pointee.descriptor!, to: options) }
        }
        guard watch(listener.number, for: pause == nil ? .readable : []) != nil else { return }
        // Handled like resource exhaustion during accept: retried later.
        _ = pauseAccepting(.exhausted)
    }

    private mutating func set(
        _ listener: WorkerChange.Listener,
        _ descriptor: consuming Descriptor?,
        version: Int
    ) {
        setListener(
            Listener(descriptor, settings: listener.settings, limits: listener.limits, version: version),
            at: listener.number
        )
    }
}
