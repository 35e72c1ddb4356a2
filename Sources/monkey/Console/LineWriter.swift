import Dispatch
import Glibc
import Synchronization

/// Writer of lines to a descriptor that never blocks the caller.
///
/// Lines are stored in a bounded buffer and written by a thread that may block. A line that does not fit is dropped and
/// counted, and a later line reports the count. If the reader has closed its end, lines are discarded.
final class LineWriter: Sendable {
    /// The size of the buffer in bytes.
    static let capacity = 1 << 20

    /// The time limit of ``flush(within:)``.
    static let flushPatience: Duration = .seconds(2)

    private struct State {
        var pending: [UInt8] = []
        var dropped = 0
        /// Whether a write is queued that has not yet found the buffer empty.
        var isWriting = false
    }

    private let descriptor: Int32
    private let capacity: Int
    private let dropNotice: @Sendable (Int) -> String
    private let state = Mutex(State())
    /// Serial; occupies a thread only while there are bytes to write.
    private let queue = DispatchQueue(label: "monkey.lines")

    /// - Parameters:
    ///   - descriptor: owned by the caller; must stay open for the lifetime of the writer.
    ///   - capacity: the size of the buffer in bytes, line feeds included.
    ///   - dropNotice: returns the line, without its line feed, that reports the number of dropped lines.
    init(descriptor: Int32, capacity: Int = LineWriter.capacity, dropNotice: @escaping @Sendable (Int) -> String) {
        self.descriptor = descriptor
        self.capacity = capacity
        self.dropNotice = dropNotice
    }

    /// Appends a line, given without its line feed.
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

    /// Waits until all earlier lines are written, or until `limit` has passed: a reader that has stopped reading must
    /// not keep the program from exiting.
    func flush(within limit: Duration = flushPatience) async {
        await withCheckedContinuation { continuation in
            let waiter = Waiter(continuation)
            // The queue is serial, so this runs after the write.
            queue.async { waiter.resume() }
            let nanoseconds = Int(limit / .nanoseconds(1))
            DispatchQueue.global().asyncAfter(deadline: .now() + .nanoseconds(nanoseconds)) { waiter.resume() }
        }
    }

    private func writePending() {
        while let (bytes, dropped) = takePending() {
            let isWritten = write(bytes) && (dropped == 0 || write(Array((dropNotice(dropped) + "\n").utf8)))
            // Reported with the next line that can be written, instead of in a loop that would spin.
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

    /// Maximum number of consecutive failed writes, since poll(2) can report a descriptor as writable that then fails.
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
                // The cause may be a signal, a full terminal or a closed reader: poll(2) distinguishes them, and blocks
                // if waiting helps.
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

/// A continuation that only the first of several events resumes.
private final class Waiter: Sendable {
    private let continuation: Mutex<CheckedContinuation<Void, Never>?>

    init(_ continuation: CheckedContinuation<Void, Never>) {
        self.continuation = Mutex(continuation)
    }

    func resume() {
        continuation.withLock { $0.take() }?.resume()
    }
}
