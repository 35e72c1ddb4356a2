import Dispatch
import Glibc
import Synchronization

/// Writes lines to a descriptor without ever holding up those who give them.
///
/// Lines wait in a bounded buffer, and a thread that may block takes them from there. A line that does not fit is dropped
/// and counted, and a later line tells how many were. Where nobody reads any more, lines go nowhere.
final class LineWriter: Sendable {
    /// How many bytes may wait.
    static let capacity = 1 << 20

    /// How long ``flush(within:)`` waits for somebody to read what was written.
    static let flushPatience: Duration = .seconds(2)

    private struct State {
        var pending: [UInt8] = []
        var dropped = 0
        /// Whether the queue has been asked to write and has not found the buffer empty since.
        var isWriting = false
    }

    private let descriptor: Int32
    private let capacity: Int
    private let dropNotice: @Sendable (Int) -> String
    private let state = Mutex(State())
    /// Serial, with a thread only while there is something to write.
    private let queue = DispatchQueue(label: "monkey.lines")

    /// - Parameters:
    ///   - descriptor: stays the caller's, and open for as long as the writer lives.
    ///   - capacity: how many bytes may wait, ends of lines included.
    ///   - dropNotice: the line, without its end, that tells how many were dropped.
    init(descriptor: Int32, capacity: Int = LineWriter.capacity, dropNotice: @escaping @Sendable (Int) -> String) {
        self.descriptor = descriptor
        self.capacity = capacity
        self.dropNotice = dropNotice
    }

    /// Takes a line, without its end.
    func write(_ line: String) {
        let mustStart = state.withLock { state in
            guard state.pending.count + line.utf8.count < capacity else {
                state.dropped += 1
                return false
            }
            state.pending.append(contentsOf: line.utf8)
            state.pending.append(UInt8(ascii: "\n"))
            defer { state.isWriting = true }
            return !state.isWriting
        }
        if mustStart { queue.async { self.writePending() } }
    }

    /// Waits until what was given before is written, or until `limit` is over: a reader that has stopped reading must not
    /// keep the program from ending.
    func flush(within limit: Duration = flushPatience) async {
        await withCheckedContinuation { continuation in
            let waiter = Waiter(continuation)
            // The queue is serial, so this runs after the writing.
            queue.async { waiter.resume() }
            let nanoseconds = Int(limit / .nanoseconds(1))
            DispatchQueue.global().asyncAfter(deadline: .now() + .nanoseconds(nanoseconds)) { waiter.resume() }
        }
    }

    private func writePending() {
        while let (bytes, dropped) = takePending() {
            let isWritten = write(bytes) && (dropped == 0 || write(Array((dropNotice(dropped) + "\n").utf8)))
            // Told with the next line that can be written, not in a loop of its own that would spin.
            if !isWritten { state.withLock { $0.dropped += dropped } }
        }
    }

    private func takePending() -> (bytes: [UInt8], dropped: Int)? {
        state.withLock { state in
            guard !state.pending.isEmpty else {
                state.isWriting = false
                return nil
            }
            defer { (state.pending, state.dropped) = ([], 0) }
            return (state.pending, state.dropped)
        }
    }

    /// How often in a row the system may refuse what it had just said it would take.
    private static let refusals = 8

    private func write(_ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { bytes in
            var rest = bytes[...]
            var refusals = 0
            while !rest.isEmpty {
                let count = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count >= 0 {
                    rest = rest.dropFirst(count)
                    refusals = 0
                    continue
                }
                // Whether a signal came between, the terminal is full, or the reader is gone: poll(2) tells, and waits
                // where waiting helps.
                refusals += 1
                var readiness = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&readiness, 1, -1)
                let isBroken = readiness.revents & Int16(POLLERR | POLLHUP | POLLNVAL) != 0
                if isBroken || refusals == Self.refusals { return false }
            }
            return true
        }
    }
}

/// Somebody who waits for one of several things, and is woken by the first.
private final class Waiter: Sendable {
    private let continuation: Mutex<CheckedContinuation<Void, Never>?>

    init(_ continuation: CheckedContinuation<Void, Never>) {
        self.continuation = Mutex(continuation)
    }

    func resume() {
        continuation.withLock { $0.take() }?.resume()
    }
}
