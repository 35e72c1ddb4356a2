public import Sockets

/// The pipes through which a worker's halves splice: a bounded number, made when needed, a few kept for the next.
///
/// A half takes a pipe for one transfer, the one that was used last, and returns it when it is empty. So all transfers that
/// the sink takes whole go through one pipe. A pipe with bytes in it belongs to the half that put them there and is never
/// pooled.
public struct PipePool: ~Copyable {
    /// The most pipes in use at once.
    public let limit: Int
    /// What a pipe should hold, in bytes.
    public let wantedCapacity: Int
    /// Pipes that are with a half. Between transfers these are the ones with bytes in them that a sink would not take.
    @inlinable public var inUse: Int { _inUse }
    /// How often a half had to copy since there was no pipe for it, or only one too small.
    @inlinable public var refusals: Int { _refusals }
    @usableFromInline var _inUse = 0
    @usableFromInline var _refusals = 0
    @usableFromInline let spares: UnsafeMutablePointer<Pipe>
    @usableFromInline var spareCount = 0
    /// Whether a pipe was taken since ``closeSparesIfUnused(on:)`` last asked.
    @usableFromInline var wasUsed = false
    /// Until then the system is not asked again.
    @usableFromInline var refusedUntil = Instant(nanoseconds: 0)

    /// How many unused pipes are kept.
    @inlinable static var spareLimit: Int { 4 }
    /// A pipe that holds less costs more than copying does, in bytes.
    @inlinable static var leastCapacity: Int { 256 * 1024 }
    /// How long nobody asks the system again, once it has refused a pipe or given too small a one.
    @inlinable static var retryInterval: Duration { .seconds(1) }

    /// - Parameters:
    ///   - limit: the most pipes in use at once; 0 for none.
    ///   - wantedCapacity: in bytes; an unprivileged user may get less (pipe(7), pipe-user-pages-soft).
    public init(limit: Int, wantedCapacity: Int = 1024 * 1024) {
        self.limit = limit
        self.wantedCapacity = wantedCapacity
        spares = .allocate(capacity: Self.spareLimit)
    }

    deinit {
        precondition(
            _inUse == 0 && spareCount == 0,
            "\(_inUse) pipes in use and \(spareCount) unused were never closed"
        )
        spares.deallocate()
    }

    /// Whether slow readers hold as many pipes as they may: a quarter.
    @inlinable
    var isStallQuotaUsed: Bool { _inUse >= max(1, limit / 4) }

    /// Whether unused pipes are kept.
    @inlinable
    public var hasSpares: Bool { spareCount > 0 }

    /// An empty pipe, or nil: then the half copies.
    @inlinable
    mutating func take<S: System & ~Copyable>(on system: inout S) -> Pipe? {
        wasUsed = true
        if _inUse < limit {
            if spareCount > 0 {
                spareCount -= 1
                _inUse += 1
                return (spares + spareCount).move()
            }
            if let pipe = make(on: &system) { return pipe }
        }
        _refusals += 1
        return nil
    }

    @inlinable
    mutating func make<S: System & ~Copyable>(on system: inout S) -> Pipe? {
        let now = system.now()
        guard now >= refusedUntil else { return nil }
        do throws(SystemError) {
            let pipe = try system.pipe(capacity: wantedCapacity)
            if pipe.capacity >= Self.leastCapacity {
                _inUse += 1
                return pipe
            }
            Self.close(pipe, on: &system)
        } catch {
            // Out of descriptors, or of the user's share of pipe pages: copying needs neither.
        }
        refusedUntil = now + Self.retryInterval
        return nil
    }

    /// Takes an empty pipe back.
    @inlinable
    mutating func giveBack<S: System & ~Copyable>(_ pipe: consuming Pipe, on system: inout S) {
        _inUse -= 1
        if spareCount < Self.spareLimit {
            (spares + spareCount).initialize(to: pipe)
            spareCount += 1
        } else {
            Self.close(pipe, on: &system)
        }
    }

    /// Closes a pipe that has bytes in it, which are lost.
    @inlinable
    mutating func discard<S: System & ~Copyable>(_ pipe: consuming Pipe, on system: inout S) {
        _inUse -= 1
        Self.close(pipe, on: &system)
    }

    /// Closes the unused pipes, unless one was used since the last call.
    @inlinable
    public mutating func closeSparesIfUnused<S: System & ~Copyable>(on system: inout S) {
        if !wasUsed { closeSpares(on: &system) }
        wasUsed = false
    }

    /// Closes the unused pipes.
    @inlinable
    public mutating func closeSpares<S: System & ~Copyable>(on system: inout S) {
        while spareCount > 0 {
            spareCount -= 1
            Self.close((spares + spareCount).move(), on: &system)
        }
    }

    @inlinable
    static func close<S: System & ~Copyable>(_ pipe: consuming Pipe, on system: inout S) {
        system.close(pipe.input)
        system.close(pipe.output)
    }
}
