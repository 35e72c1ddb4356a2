import Synchronization
import Workers

/// One worker's counters of many things of a kind: servers, listeners, pools. A row is a thing's.
///
/// One thread adds, by a plain load and store; any thread reads. Rows cost address space until they are written.
struct FigureTable<Figure: TableFigure>: @unchecked Sendable {
    // Sendable: the memory is atomics only, and its owner outlives all who hold the table (see `SharedMemory`).
    private let pages: Pages
    private let figures: UnsafeMutablePointer<Atomic<Int>>

    init(rows: Int) {
        pages = Pages(bytes: rows * Figure.count * MemoryLayout<Atomic<Int>>.stride)
        // Zeroed pages are counters at zero.
        figures = pages.base.bindMemory(to: Atomic<Int>.self, capacity: rows * Figure.count)
    }

    func free() {
        pages.free()
    }

    /// For the worker alone.
    func add(_ amount: Int, to figure: Figure, of row: Int) {
        let index = row * Figure.count + figure.index
        let value = figures[index].load(ordering: .relaxed)
        figures[index].store(value &+ amount, ordering: .relaxed)
    }

    subscript(row: Int, figure: Figure) -> Int { self[row, figure.index] }

    fileprivate subscript(row: Int, index: Int) -> Int {
        figures[row * Figure.count + index].load(ordering: .relaxed)
    }
}

/// The figures of a thing, summed over all workers; or how many of them there were at a moment.
struct FigureRow<Figure: TableFigure>: Sendable {
    private var figures = [Int](repeating: 0, count: Figure.count)

    init() {}

    init(_ row: Int, of tables: [FigureTable<Figure>]) {
        for table in tables {
            for index in figures.indices { figures[index] += table[row, index] }
        }
    }

    subscript(figure: Figure) -> Int { figures[figure.index] }

    static func += (left: inout FigureRow, right: FigureRow) {
        for index in left.figures.indices { left.figures[index] += right.figures[index] }
    }

    static func - (left: FigureRow, right: FigureRow) -> FigureRow {
        var difference = left
        for index in difference.figures.indices { difference.figures[index] -= right.figures[index] }
        return difference
    }
}

/// The place of a figure in a row.
protocol TableFigure {
    var index: Int { get }
    /// How many there are in a row.
    static var count: Int { get }
}

/// What is counted about a server.
struct ServerFigure: TableFigure {
    let index: Int

    static var bytesUpstream: ServerFigure { ServerFigure(index: 0) }
    static var bytesDownstream: ServerFigure { ServerFigure(index: 1) }
    /// Connections that it has taken.
    static var connected: ServerFigure { ServerFigure(index: 2) }
    static var connectNanoseconds: ServerFigure { ServerFigure(index: 3) }

    static func failure(_ cause: ConnectFailure) -> ServerFigure {
        ServerFigure(index: 8 + Int(cause.rawValue))
    }

    static func closure(_ reason: CloseReason, _ side: Side) -> ServerFigure {
        ServerFigure(index: 16 + Int(reason.rawValue) * Side.allCases.count + Int(side.rawValue))
    }

    /// - Parameter bucket: an index of ``DurationHistogram/counts``.
    static func connectTime(bucket: Int) -> ServerFigure {
        ServerFigure(index: 46 + bucket)
    }

    static var count: Int { 64 }
}

/// What is counted about a listener.
struct ListenerFigure: TableFigure {
    let index: Int

    static var opened: ListenerFigure { ListenerFigure(index: 0) }
    static var closed: ListenerFigure { ListenerFigure(index: 1) }
    static var bytesUpstream: ListenerFigure { ListenerFigure(index: 2) }
    static var bytesDownstream: ListenerFigure { ListenerFigure(index: 3) }
    /// Clients whom no server could be found for.
    static var refused: ListenerFigure { ListenerFigure(index: 4) }
    /// 1 while the worker has a socket there.
    static var open: ListenerFigure { ListenerFigure(index: 5) }

    static func denied(_ cause: DenialCause) -> ListenerFigure {
        ListenerFigure(index: 8 + Int(cause.rawValue))
    }

    static var count: Int { 24 }
}

/// What is counted about a pool.
struct PoolFigure: TableFigure {
    let index: Int

    /// Clients that had to wait for a place at a server.
    static var queued: PoolFigure { PoolFigure(index: 0) }
    /// Of those, the ones who waited too long.
    static var queueTimeouts: PoolFigure { PoolFigure(index: 1) }
    /// Clients who found as many waiting as may.
    static var queueOverflows: PoolFigure { PoolFigure(index: 2) }
    /// Attempts that went to a closed server, since none was open.
    static var triedAnyway: PoolFigure { PoolFigure(index: 3) }
    /// Attempts to connect after one that had failed.
    static var retries: PoolFigure { PoolFigure(index: 4) }

    static var count: Int { 8 }
}
