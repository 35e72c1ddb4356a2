import EventLoop
import Synchronization

/// Counters of one worker for many objects of a kind (servers, listeners, pools), with a row for each object.
///
/// Only the worker's thread adds, with a plain load and store; any thread may read. Rows use only address space until
/// they are written.
struct MetricTable<Figure: TableMetric>: @unchecked Sendable {
    // Sendable: the memory holds only atomics, and its owner (`SharedMemory`) outlives every user of the table.
    private let pages: MappedMemory
    private let figures: UnsafeMutablePointer<Atomic<Int>>

    init(rows: Int) {
        pages = MappedMemory(bytes: rows * Figure.count * MemoryLayout<Atomic<Int>>.stride)
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
struct MetricRow<Figure: TableMetric>: Sendable {
    private var figures = [Int](repeating: 0, count: Figure.count)

    init() {}

    init(_ row: Int, of tables: [MetricTable<Figure>]) {
        for table in tables {
            for index in figures.indices { figures[index] += table[row, index] }
        }
    }

    subscript(figure: Figure) -> Int { figures[figure.index] }

    static func += (left: inout MetricRow, right: MetricRow) {
        for index in left.figures.indices { left.figures[index] += right.figures[index] }
    }

    static func - (left: MetricRow, right: MetricRow) -> MetricRow {
        var difference = left
        for index in difference.figures.indices { difference.figures[index] -= right.figures[index] }
        return difference
    }
}
