import EventLoop
import Synchronization

/// The servers of all pools.
///
/// An index belongs to a server as long as the server is referenced: by a worker that has not yet processed its
/// removal, or by an open connection.
final class SharedServerTable: Sendable {
    /// The maximum number of servers of a process, including removed servers that still have connections: four times as
    /// many as a configuration may have, so that several reloads can replace all of them.
    static let capacity = 4 * maxConfigured
    /// The maximum number of servers in a configuration.
    static let maxConfigured = 16_384

    private struct Places {
        var numbers = IDAllocator(capacity: SharedServerTable.capacity)
        /// Number of indices allocated so far, counting each reuse; the source of serials.
        var taken = 0
    }

    // Exposed only as `SharedServerState`, whose memory holds only atomics.
    private nonisolated(unsafe) let pages: MappedMemory
    private let places = Mutex(Places())

    init() {
        // Zeroed pages represent closed servers; physical memory is used only for servers that exist.
        pages = MappedMemory(bytes: Self.capacity * MemoryLayout<SharedServerState.State>.stride)
    }

    deinit {
        pages.free()
    }

    /// - Returns: the shared state of a new server, or nil if all indices are in use.
    func take() -> SharedServerState? {
        let place = places.withLock { places -> (id: Int, serial: Int)? in
            guard let number = places.numbers.take() else { return nil }
            places.taken += 1
            return (number, places.taken)
        }
        guard let (id, serial) = place else { return nil }
        let states = pages.base.bindMemory(to: SharedServerState.State.self, capacity: Self.capacity)
        let share = SharedServerState(id: id, state: states + id)
        share.reset(serial: serial)
        return share
    }

    /// Releases the index of a server that is no longer referenced.
    func release(_ share: SharedServerState) {
        precondition(share.connections == 0, "server \(share.id) was released with \(share.connections) connections")
        places.withLock { $0.numbers.release(share.id) }
    }
}
