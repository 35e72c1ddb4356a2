public import Sockets

/// The pool of pipes through which a worker's directions splice: a limited number, created on demand; a few unused ones
/// are kept.
///
/// A direction takes the most recently used pipe for one transfer, and returns it when it is empty. Thus all transfers
/// that the sink accepts in full use the same pipe. A pipe that contains bytes belongs to the direction that put them
/// there and is never pooled.
public struct PipePool: ~Copyable {
    /// The maximum number of pipes in use.
    @inlinable public var limit: Int { _limit }
    @usableFromInline var _limit: Int
    /// The requested capacity of a pipe in bytes.
    public let wantedCapacity: Int
    /// The number of pipes held by directions. Between transfers these are the pipes with bytes that a sink has not
    /// accepted.
    @inlinable public var inUse: Int { _inUse }
    /// The number of times that a direction had to copy because no pipe, or only one that was too small, was available.
    @inlinable public var refusals: Int { _refusals }
    @usableFromInline var _inUse = 0
    @usableFromInline var _refusals = 0
    @usableFromInline let spares: UnsafeMutablePointer<Pipe>
    @usableFromInline var spareCount = 0
    /// Whether a pipe was taken since the last call of ``closeSparesIfUnused(on:)``.
    @usableFromInline var wasUsed = false
    /// The time before which no pipe is requested from the system again.
    @usableFromInline var refusedUntil = Instant(nanoseconds: 0)

    /// The maximum number of unused pipes that are kept.
    @inlinable static var spareLimit: Int { 4 }
    /// The minimum capacity in bytes. Splicing through a smaller pipe costs more than copying.
    @inlinable static var minCapacity: Int { 256 * 1024 }
    /// The time before the next request, after the system has refused a pipe or granted one that is too small.
    @inlinable static var retryInterval: Duration { .seconds(1) }

    /// - Parameters:
    ///   - limit: The maximum number of pipes in use; 0 for none.
    ///   - wantedCapacity: The capacity in bytes; an unprivileged user may get less (pipe(7), pipe-user-pages-soft).
    public init(limit: Int, wantedCapacity: Int = 1024 * 1024) {
        _limit = limit
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

    /// Lowers the maximum number of pipes in use; has no effect if it is lower already.
    public mutating func lowerLimit(to limit: Int) {
        _limit = min(_limit, limit)
    }

    /// Whether slow readers hold their maximum share of the pipes: a quarter.
    @inlinable
    var isStallQuotaUsed: Bool { _inUse >= max(1, limit / 4) }

    /// Whether the pool holds unused pipes.
    @inlinable
    public var hasSpares: Bool { spareCount > 0 }

    /// Takes an empty pipe; returns nil if none is available, so that the direction copies.
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
            if pipe.capacity >= Self.minCapacity {
                _inUse += 1
                return pipe
            }
            Self.close(pipe, on: &system)
        } catch {
            // Out of descriptors, or the user's quota of pipe pages is exhausted: copying needs neither.
        }
        refusedUntil = now + Self.retryInterval
        return nil
    }

    /// Returns an empty pipe to the pool.
    @inlinable
    mutating func release<S: System & ~Copyable>(_ pipe: consuming Pipe, on system: inout S) {
        _inUse -= 1
        if spareCount < Self.spareLimit {
            (spares + spareCount).initialize(to: pipe)
            spareCount += 1
        } else {
            Self.close(pipe, on: &system)
        }
    }

    /// Closes a pipe that contains bytes; the bytes are lost.
    @inlinable
    mutating func discard<S: System & ~Copyable>(_ pipe: consuming Pipe, on system: inout S) {
        _inUse -= 1
        Self.close(pipe, on: &system)
    }

    /// Closes the unused pipes, unless a pipe was used since the last call.
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
