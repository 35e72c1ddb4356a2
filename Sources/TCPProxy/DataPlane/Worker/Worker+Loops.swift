import EventLoop
import Relay
import Sockets

// Detection of forwarding loops at run time.

extension Worker where S: ~Copyable {
    /// Returns how often an accepted connection has passed through this process before: 0 for a client's connection.
    @inline(never)
    mutating func hops(of descriptor: borrowing Descriptor, _ peer: PeerAddress) -> UInt8 {
        guard case .internet(let peer) = peer, case .internet(let local)? = try? system.localAddress(of: descriptor)
        else { return 0 }
        return shared.loops.hops(from: peer, to: local)
    }

    /// Records an attempt to connect to a server at a port at which this process listens, if the server is on this
    /// machine: it may be one of the process's listeners.
    @inline(never)
    mutating func noteOwnConnection(_ slot: Slot, to address: RawAddress) {
        let session = sessions.pointer(to: slot)
        guard case .internet(let server) = address.peer,
            case .internet(let local)? = try? system.localAddress(of: session.pointee.duplex.server.descriptor!)
        else { return }
        // Without a configured source, the system connects to each of its own addresses from the same address, and to
        // loopback addresses from a loopback address.
        let hasSource = !settings(of: slot).pointee.settings.sources.isEmpty
        guard hasSource || server.isLoopback || (local.high, local.low) == (server.high, server.low) else { return }
        session.pointee.dial.loopEntry = shared.loops.insert(
            from: local,
            to: server,
            hops: session.pointee.dial.hops + 1
        )
    }

    /// Removes the record of an attempt or connection that has ended.
    @inline(__always)
    mutating func forgetOwnConnection(_ slot: Slot) {
        guard let entry = sessions.pointer(to: slot).pointee.dial.loopEntry.take() else { return }
        shared.loops.remove(entry)
    }
}
