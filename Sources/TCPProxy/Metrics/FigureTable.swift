import Synchronization
import Workers

/// Counters of one worker for many objects of a kind (servers, listeners, pools), with a row for each object.
///
/// Only the worker's thread adds, with a plain load and store; any thread may read. Rows use only address space until
/// they are written.
struct FigureTable<Figure: TableFigure>: @unchecked Sendable {
    // Sendable: the memory holds only atomics, and its owner (`SharedMemory`) outlives every user of the table.
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

    /// Adds to a counter. Only the worker's own thread may call this.
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

/// Counters of one object: a sum over all workers, or an earlier reading as the origin for a difference.
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

/// Index of a counter in a row.
protocol TableFigure {
    var index: Int { get }
    /// Number of counters in a row.
    static var count: Int { get }
}

/// Counters of a server.
struct ServerFigure: TableFigure {
    let index: Int

    static var bytesUpstream: ServerFigure { ServerFigure(index: 0) }
    static var bytesDownstream: ServerFigure { ServerFigure(index: 1) }
    /// Connections established to it.
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

/// Counters of a listener.
struct ListenerFigure: TableFigure {
    let index: Int

    static var opened: ListenerFigure { ListenerFigure(index: 0) }
    static var closed: ListenerFigure { ListenerFigure(index: 1) }
    static var bytesUpstream: ListenerFigure { ListenerFigure(index: 2) }
    static var bytesDownstream: ListenerFigure { ListenerFigure(index: 3) }
    /// Connections for which no server was available.
    static var refused: ListenerFigure { ListenerFigure(index: 4) }
    /// 1 while the worker has a listening socket for it.
    static var open: ListenerFigure { ListenerFigure(index: 5) }

    static func denied(_ cause: DenialCause) -> ListenerFigure {
        ListenerFigure(index: 8 + Int(cause.rawValue))
    }

    static var count: Int { 24 }
}

/// Counters of a pool.
struct PoolFigure: TableFigure {
    let index: Int

    /// Connections that had to wait for a server.
    static var queued: PoolFigure { PoolFigure(index: 0) }
    /// Queued connections that exceeded the queue timeout.
    static var queueTimeouts: PoolFigure { PoolFigure(index: 1) }
    /// Connections rejected because the queue was full.
    static var queueOverflows: PoolFigure { PoolFigure(index: 2) }
    /// Attempts to a server out of service because no server was in service. Not counted at present.
    static var triedAnyway: PoolFigure { PoolFigure(index: 3) }
    /// Failed connection attempts after which another server was selected, if one was left.
    static var retries: PoolFigure { PoolFigure(index: 4) }

    static var count: Int { 8 }
}
