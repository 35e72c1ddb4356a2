import Sockets

/// The queue of a listening socket.
final class FakeListener: FakeFile {
    let address: SocketAddress
    let canBeJoined: Bool
    private let backlog: Int
    private let remove: (FakeListener) -> Void
    private var queue: [(socket: FakeSocket, from: PeerAddress)] = []
    /// Connections whose handshake does not complete because the queue is full, or does not begin.
    private var waiting: [Arrival] = []
    private var answersHandshakes = true

    private struct Arrival {
        let near: FakeSocket
        let far: FakeSocket
        let source: PeerAddress
    }

    init(
        at address: SocketAddress,
        backlog: Int,
        canBeJoined: Bool,
        remove: @escaping (FakeListener) -> Void
    ) {
        self.address = address
        self.backlog = backlog
        self.canBeJoined = canBeJoined
        self.remove = remove
    }

    override var readiness: Readiness { queue.isEmpty ? [] : .readable }

    var queued: Int { queue.count }
    /// Number of connections in the queue when it was closed.
    private(set) var abandoned = 0

    func arrive(_ near: FakeSocket, _ far: FakeSocket, from source: PeerAddress) {
        waiting.append(Arrival(near: near, far: far, source: source))
        admit()
    }

    func accept() -> (FakeSocket, PeerAddress)? {
        guard !queue.isEmpty else { return nil }
        let first = queue.removeFirst()
        admit()
        return first
    }

    func stopHandshakes() {
        answersHandshakes = false
    }

    /// Resets the connections that were not accepted, and refuses those in their handshakes.
    func close() {
        remove(self)
        for (socket, _) in queue { socket.abort() }
        abandoned = queue.count
        for arrival in waiting { arrival.far.fail(.connectionRefused) }
        queue = []
        waiting = []
    }

    private func admit() {
        while answersHandshakes, queue.count < backlog, !waiting.isEmpty {
            let next = waiting.removeFirst()
            queue.append((next.near, next.source))
            next.near.establish()
            next.far.establish()
            changed()
        }
    }
}
