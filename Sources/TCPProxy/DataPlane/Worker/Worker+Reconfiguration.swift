import EventLoop
import Sockets

// Reconfiguration of a worker's listeners and pools.

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
        case .opened(let number, let isInherited):
            var descriptor: Descriptor? = Descriptor(adopting: number)
            if isStopping, let unwanted = descriptor.take() { system.close(unwanted) }
            set(listener, descriptor, isInherited: isInherited, version: version)
        case .moved(let former, let options):
            let old = listeners.pointer(to: former)
            let (isWatched, endsAt, isInherited) = (
                old.pointee.isWatched, old.pointee.endsAt, old.pointee.isInherited
            )
            let descriptor = old.pointee.descriptor.take()
            old.pointee.endsAt = nil
            if descriptor != nil { noteSocketGone(former) }
            set(listener, descriptor, isInherited: isInherited, version: version)
            let new = listeners.pointer(to: listener.number)
            new.pointee.isWatched = isWatched
            new.pointee.endsAt = endsAt
            if let options, new.pointee.descriptor != nil { system.adjust(new.pointee.descriptor!, to: options) }
        }
        // While accepting is paused, the listener is held if the poller reports it.
        guard watch(listener.number, for: .readable) != nil else { return }
        // Handled like resource exhaustion during accept: retried later.
        hold(listener.number)
        _ = pauseAccepting(.exhausted)
    }

    private mutating func set(
        _ listener: WorkerChange.Listener,
        _ descriptor: consuming Descriptor?,
        isInherited: Bool,
        version: Int
    ) {
        setListener(
            Listener(
                descriptor,
                isInherited: isInherited,
                settings: listener.settings,
                limits: listener.limits,
                version: version
            ),
            at: listener.number
        )
    }
}
