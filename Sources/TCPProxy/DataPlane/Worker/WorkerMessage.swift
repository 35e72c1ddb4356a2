import Sockets

/// Messages to a worker from the control plane or another worker.
enum WorkerMessage: Sendable {
    /// A connection accepted by another worker, by descriptor number.
    case adopt(Int32, PeerAddress, listener: Int)
    /// A permit is available.
    case resumeAccepting
    /// Close the connection that has been in preread longest: another worker needs its permit.
    case evictPreread
    /// A change of listeners and pools.
    indirect case change(WorkerChange)
    /// A new or changed pool.
    case pool(PoolPlan, at: Int, CountdownLatch?)
    /// A connection slot at a server of this pool is available. If no client of this worker can use it, it is offered
    /// to the workers that are not in `asked`.
    case slotReleased(pool: Int, asked: WorkerSet)
    /// Resets the connections to a server, by its number.
    case closeConnections(to: Int)
    case gather(ClientGather)
    indirect case connections(ConnectionQuery, WorkerGather<ConnectionAnswer>)
    /// Finds the idle connections of a server, by its serial.
    case findIdle(server: Int, WorkerGather<IdleAnswer>)
    /// Closes these connections if they are still idle.
    indirect case closeIdle(Set<ConnectionID>, WorkerGather<Int>)
    /// Stops accepting: accepts the connections in the backlogs, closes the listening sockets, and ends with the last
    /// connection.
    case stopAccepting
    /// Closes the listening sockets and resets all connections.
    case closeAll
}
