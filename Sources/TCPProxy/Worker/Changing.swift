import Sockets
import Workers

// How a worker goes over to other listeners and pools.

/// What a worker is told of a change, all of it in one message: between two wake-ups it serves by the old, then by the new.
struct WorkerChange: Sendable {
    struct Pool: Sendable {
        var number: Int
        var plan: PoolPlan
    }

    struct Listener: Sendable {
        enum Source: Sendable {
            /// A socket of this worker's own, by its descriptor's number.
            case opened(Int32)
            /// The socket that another of its listeners has had; the options are what is to be set on it.
            case moved(from: Int, ListenOptions?)
        }

        var number: Int
        var source: Source
        var settings: ListenerSettings
        /// The number under which its clients are limited.
        var limits: Int
    }

    /// Changes are numbered from 1.
    var version: Int
    /// Those that are new, or other than they were.
    var pools: [Pool]
    /// The same, in the order of their numbers.
    var listeners: [Listener]
    /// Those that are to stop listening. Their connections go on.
    var closed: [Int]
    let acknowledgement: Acknowledgement
}

extension Worker where S: ~Copyable {
    @inline(never)
    mutating func change(to change: WorkerChange) {
        for pool in change.pools { setPool(pool.plan, at: pool.number) }
        for listener in change.listeners { begin(listener, version: change.version) }
        for number in change.closed { stopAccepting(number) }
        // From here on others may hand over what came to the new listeners.
        shared.loads.setVersion(change.version, of: index)
        change.acknowledgement.report()
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
            if descriptor != nil { shared.listenerFigures.add(-1, to: .open, of: former) }
            set(listener, descriptor, version: version)
            let new = listeners.pointer(to: listener.number)
            new.pointee.isWatched = isWatched
            new.pointee.endsAt = endsAt
            if let options, new.pointee.descriptor != nil { system.adjust(new.pointee.descriptor!, to: options) }
        }
        guard watch(listener.number, for: pause == nil ? .readable : []) != nil else { return }
        // As where accepting failed for want of something: it is tried again.
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
