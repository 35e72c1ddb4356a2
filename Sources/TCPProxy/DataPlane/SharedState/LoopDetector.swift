import Balancing
import EventLoop
import Randomness
import Sockets
import Synchronization

/// The process's own connections that may reach one of its listeners, for detecting forwarding loops at run time: an
/// accepted connection with the same two addresses is one that this process has forwarded before.
///
/// Both addresses count: the system gives the same local address to connections with different destinations, so a client
/// on this machine can share it with a connection of the process.
///
/// Only connections to this machine, at a port at which the process listens, are recorded. In all other cases the cost is
/// one load of an atomic per accepted connection and per attempt to connect to a server; if the server has the port of a
/// listener, one getsockname(2) in addition. While connections are recorded, each accepted one costs a getsockname(2).
struct LoopDetector: @unchecked Sendable {
    /// The position of a recorded connection.
    struct Entry {
        fileprivate let index: UInt16
    }

    // Sendable: the memory holds only atomics, and its owner outlives all holders (see `SharedMemory`).
    private struct State: ~Copyable {
        let count = Atomic<Int>(0)
        /// Number of listeners: a connection that has passed more of them has passed one twice.
        let listeners = Atomic<Int>(1)
    }

    /// Maximum number of recorded connections; further ones are not recorded, and their loops not detected.
    static let capacity = 16_384
    /// Number of entries examined per lookup.
    private static let probes = 8
    /// Maximum number of times that a connection may pass through this process.
    static let maxHops = 8

    private let state: UnsafeMutablePointer<State>
    private let pages: MappedMemory
    /// A bit for each port.
    private let ports: UnsafeMutablePointer<Atomic<UInt64>>
    /// The hash of both addresses with the number of hops in the low bits; 0 is a free entry.
    private let entries: UnsafeMutablePointer<Atomic<UInt64>>

    private static let portWords = 65_536 / 64
    private static let hopsMask: UInt64 = 0xF

    init() {
        state = .allocate(capacity: 1)
        state.initialize(to: State())
        pages = MappedMemory(bytes: (Self.portWords + Self.capacity) * MemoryLayout<Atomic<UInt64>>.stride)
        // Zeroed pages are ports without listeners and free entries.
        ports = pages.base.bindMemory(to: Atomic<UInt64>.self, capacity: Self.portWords + Self.capacity)
        entries = ports + Self.portWords
    }

    func free() {
        state.deinitialize(count: 1)
        state.deallocate()
        pages.free()
    }

    // MARK: For the control plane

    /// Replaces the ports at which the process listens.
    func listen(on addresses: [SocketAddress]) {
        var words = [UInt64](repeating: 0, count: Self.portWords)
        for port in addresses.compactMap(\.port) { words[Int(port) / 64] |= 1 << UInt64(port % 64) }
        for (index, word) in words.enumerated() where ports[index].load(ordering: .relaxed) != word {
            ports[index].store(word, ordering: .relaxed)
        }
        state.pointee.listeners.store(max(1, addresses.count), ordering: .relaxed)
    }

    // MARK: For workers

    /// Whether any connection is recorded.
    @inline(__always)
    var isUsed: Bool { state.pointee.count.load(ordering: .relaxed) > 0 }

    /// Returns whether the process listens at a port, at whatever address.
    @inline(__always)
    func listens(on port: UInt16) -> Bool {
        ports[Int(port) / 64].load(ordering: .relaxed) & 1 << UInt64(port % 64) != 0
    }

    /// Records a connection to a server.
    ///
    /// - Parameter hops: how often the connection has passed through this process, including this time.
    /// - Returns: the entry, for ``remove(_:)``; nil if there is no free one.
    func insert(from local: InternetAddress, to remote: InternetAddress, hops: UInt8) -> Entry? {
        let hash = Self.hash(from: local, to: remote)
        let value = hash & ~Self.hopsMask | UInt64(min(hops, UInt8(Self.hopsMask)))
        for probe in 0..<Self.probes {
            let index = Self.index(hash, probe)
            let (exchanged, _) = entries[index].compareExchange(expected: 0, desired: value, ordering: .relaxed)
            guard exchanged else { continue }
            state.pointee.count.add(1, ordering: .releasing)
            return Entry(index: UInt16(index))
        }
        return nil
    }

    /// Removes an entry when its connection has been closed.
    func remove(_ entry: Entry) {
        entries[Int(entry.index)].store(0, ordering: .relaxed)
        state.pointee.count.subtract(1, ordering: .relaxed)
    }

    /// Returns how often an accepted connection has passed through this process before: 0 for a client's connection.
    func hops(from peer: InternetAddress, to local: InternetAddress) -> UInt8 {
        let hash = Self.hash(from: peer, to: local)
        for probe in 0..<Self.probes {
            let value = entries[Self.index(hash, probe)].load(ordering: .relaxed)
            if value != 0, value & ~Self.hopsMask == hash & ~Self.hopsMask { return UInt8(value & Self.hopsMask) }
        }
        return 0
    }

    /// Returns whether a connection has passed one of the listeners of this process twice.
    func isLoop(_ hops: UInt8) -> Bool {
        Int(hops) >= min(state.pointee.listeners.load(ordering: .relaxed), Self.maxHops)
    }

    private static func hash(from source: InternetAddress, to destination: InternetAddress) -> UInt64 {
        let ports = UInt64(source.port) << 16 | UInt64(destination.port)
        let source = KeyHash.address(high: source.high, low: source.low)
        let destination = KeyHash.address(high: destination.high, low: destination.low)
        // The low bits are replaced by the hops, and 0 is a free entry.
        return SplitMix64.mix(SplitMix64.mix(source ^ ports) ^ destination) | 1 << 63
    }

    private static func index(_ hash: UInt64, _ probe: Int) -> Int {
        (Int(truncatingIfNeeded: hash >> 8) & (capacity - 1) + probe) & (capacity - 1)
    }
}
