import Sockets

/// Messages to a worker from the control plane or another worker.
enum WorkerMessage: Sendable {
    /// A connection accepted by another worker, by descriptor number.
    case adopt(Int32, PeerAddress, listener: Int)
    /// A permit is available.
    case resumeAccepting
    /// A change of listeners and pools.
    indirect case change(WorkerChange)
    /// A new or changed pool.
    case pool(PoolPlan, at: Int, CountdownLatch?)
    /// A connection slot at a server of this pool is available. If no client of this worker can use it, it is offered
    /// to the workers without a bit in `asked`.
    case slotReleased(pool: Int, asked: UInt64)
    /// Resets the connections to a server, by its number.
    case closeConnections(to: Int)
    case gather(ClientGather)
    indirect case connections(ConnectionQuery, WorkerGather<ConnectionAnswer>)
    /// Stops accepting: accepts the connections in the backlogs, closes the listening sockets, and ends with the last
    /// connection.
    case stopAccepting
    /// Closes the listening sockets and resets all connections.
    case closeAll
}
