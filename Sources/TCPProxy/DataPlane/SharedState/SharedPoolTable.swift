import EventLoop
import Synchronization

/// The shared state of all pools, by pool number.
final class SharedPoolTable: Sendable {
    // Exposed only as `SharedPoolState`, whose memory holds only atomics.
    private nonisolated(unsafe) let pages: MappedMemory

    init() {
        // Zeroed pages represent pools without waiting clients.
        pages = MappedMemory(bytes: SharedPoolState.capacity * MemoryLayout<SharedPoolState.State>.stride)
    }

    deinit {
        pages.free()
    }

    subscript(number: Int) -> SharedPoolState {
        precondition(
            (0..<SharedPoolState.capacity).contains(number),
            "pools are numbered 0 to \(SharedPoolState.capacity - 1)"
        )
        let states = pages.base.bindMemory(to: SharedPoolState.State.self, capacity: SharedPoolState.capacity)
        return SharedPoolState(state: states + number)
    }
}
