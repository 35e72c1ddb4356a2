public import Sockets
import Synchronization

/// Wakes a poller of a ``FakeWorld``, from any thread.
public final class FakeWaker: Waker {
    private let signalled = Atomic(false)

    public init() {}

    public func wake() {
        signalled.store(true, ordering: .releasing)
    }

    var isSignalled: Bool { signalled.load(ordering: .acquiring) }

    func takeSignal() -> Bool { signalled.exchange(false, ordering: .acquiringAndReleasing) }
}
