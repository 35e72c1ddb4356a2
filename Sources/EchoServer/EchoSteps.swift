import EventLoop
import Randomness
import Sockets

/// The operations of a connection in its turn, by mode.
extension EchoWorker where S: ~Copyable {
    /// The state of a connection at the end of a turn.
    enum Step {
        /// Blocked until an event or a timer.
        case waits
        /// Able to continue, but its turn is over.
        case hasMore
        /// All bytes that `closeAfter` allows have been transferred.
        case finished
        case over(Ending)
    }

    mutating func step(_ connection: UnsafeMutablePointer<EchoConnection>, _ slot: Int) throws(SystemError) -> Step {
        if connection.pointee.phase == .lingering { return try linger(connection) }
        return switch behavior.service {
        case .echo: try echo(connection)
        case .delayedEcho: try delayedEcho(connection, slot)
        case .sink: try sink(connection)
        case .source: try source(connection)
        case .respond: try respond(connection)
        }
    }

    private mutating func echo(_ connection: UnsafeMutablePointer<EchoConnection>) throws(SystemError) -> Step {
        for _ in 0..<EchoLimits.operationsPerTurn {
            if connection.pointee.sent >= behavior.closeAfter { return .finished }
            if !connection.pointee.unsent.isEmpty {
                guard connection.pointee.isWritable else { return .waits }
                let sent = try send(connection.pointee.unsent.bytes, to: connection)
                connection.pointee.unsent.removeFirst(sent)
                continue
            }
            if connection.pointee.hasEnded { return .over(.ended) }
            guard connection.pointee.isReadable else { return .waits }
            let bytes = try receive(connection, atMost: Behavior.transferSize)
            if bytes.isEmpty { continue }
            // Sends immediately: in most cases the client accepts everything.
            let sent = try send(bytes, to: connection)
            if sent < bytes.count {
                connection.pointee.unsent.append(UnsafeRawBufferPointer(rebasing: bytes[sent...]))
            } else if bytes.count == Behavior.transferSize {
                // More bytes are queued; after the next wait there will be even more, for the same number of calls.
                return .hasMore
            }
        }
        return .hasMore
    }

    private mutating func delayedEcho(
        _ connection: UnsafeMutablePointer<EchoConnection>,
        _ slot: Int
    ) throws(SystemError) -> Step {
        for _ in 0..<EchoLimits.operationsPerTurn {
            if connection.pointee.sent >= behavior.closeAfter { return .finished }
            connection.pointee.released += connection.pointee.delays.release(until: now)
            if connection.pointee.released > 0, connection.pointee.isWritable {
                let due = UnsafeRawBufferPointer(
                    rebasing: connection.pointee.unsent.bytes.prefix(connection.pointee.released)
                )
                let sent = try send(due, to: connection)
                connection.pointee.unsent.removeFirst(sent)
                connection.pointee.released -= sent
                continue
            }
            if connection.pointee.hasEnded, connection.pointee.unsent.isEmpty { return .over(.ended) }
            let room = Behavior.delayedLimit - connection.pointee.unsent.count
            guard connection.pointee.isReadable, room > 0, !connection.pointee.delays.isFull else {
                if let due = connection.pointee.delays.nextDue { timers.schedule(slot, at: due) }
                return .waits
            }
            let bytes = try receive(connection, atMost: room)
            if bytes.isEmpty { continue }
            connection.pointee.unsent.append(bytes)
            connection.pointee.delays.add(bytes.count, now: now, delays: behavior.delays)
        }
        return .hasMore
    }

    private mutating func sink(_ connection: UnsafeMutablePointer<EchoConnection>) throws(SystemError) -> Step {
        for _ in 0..<EchoLimits.operationsPerTurn {
            let rest = behavior.closeAfter - connection.pointee.received
            if rest <= 0 { return .finished }
            if connection.pointee.hasEnded { return .over(.ended) }
            guard connection.pointee.isReadable else { return .waits }
            let bytes = try receive(connection, atMost: min(rest, Behavior.transferSize))
            if bytes.count == Behavior.transferSize { return .hasMore }
        }
        return .hasMore
    }

    private mutating func source(_ connection: UnsafeMutablePointer<EchoConnection>) throws(SystemError) -> Step {
        if connection.pointee.isReadable, !connection.pointee.hasEnded { try discard(connection) }
        for _ in 0..<EchoLimits.operationsPerTurn {
            if connection.pointee.sent >= behavior.closeAfter { return .finished }
            guard connection.pointee.isWritable else { break }
            let start = connection.pointee.sent % BytePattern.period
            let piece = UnsafeRawBufferPointer(rebasing: buffer[start..<start + Behavior.transferSize])
            _ = try send(piece, to: connection)
        }
        return connection.pointee.isWritable || connection.pointee.isReadable ? .hasMore : .waits
    }

    private mutating func respond(_ connection: UnsafeMutablePointer<EchoConnection>) throws(SystemError) -> Step {
        for _ in 0..<EchoLimits.operationsPerTurn {
            if connection.pointee.sent >= behavior.closeAfter { return .finished }
            // No overflow: at most one receive exceeds the bytes already answered.
            let owed =
                connection.pointee.received / behavior.requestSize * behavior.responseSize - connection.pointee.sent
            if owed > 0 {
                guard connection.pointee.isWritable else { return .waits }
                let start = connection.pointee.sent % behavior.responseSize
                let count = min(behavior.responseSize - start, Behavior.transferSize)
                let offset = start % BytePattern.period
                _ = try send(UnsafeRawBufferPointer(rebasing: buffer[offset..<offset + count]), to: connection)
                continue
            }
            if connection.pointee.hasEnded { return .over(.ended) }
            guard connection.pointee.isReadable else { return .waits }
            try discard(connection)
        }
        return .hasMore
    }

    /// Sends the server's FIN on a connection that has transferred all its bytes, and starts lingering.
    mutating func finish(_ connection: UnsafeMutablePointer<EchoConnection>, _ slot: Int) throws(SystemError) {
        if let error = system.endSending(on: connection.pointee.descriptor) { throw error }
        connection.pointee.phase = .lingering
        connection.pointee.unsent.removeFirst(connection.pointee.unsent.count)
        now = system.now()
        timers.schedule(slot, at: now + EchoLimits.linger)
        list(connection, slot)
    }

    private mutating func linger(_ connection: UnsafeMutablePointer<EchoConnection>) throws(SystemError) -> Step {
        for _ in 0..<EchoLimits.operationsPerTurn {
            if connection.pointee.hasEnded { return .over(.closed) }
            guard connection.pointee.isReadable else { return .waits }
            try discard(connection)
        }
        return .hasMore
    }
}

// MARK: - Transfers

extension EchoWorker where S: ~Copyable {
    /// Receives into the shared buffer; returns an empty buffer if nothing was received.
    @inline(__always)
    private mutating func receive(
        _ connection: UnsafeMutablePointer<EchoConnection>,
        atMost limit: Int
    ) throws(SystemError) -> UnsafeRawBufferPointer {
        // The pattern at the start of the buffer must not be overwritten.
        let space = UnsafeMutableRawBufferPointer(rebasing: buffer.suffix(Behavior.transferSize).prefix(limit))
        switch system.receive(from: connection.pointee.descriptor, into: space) {
        case .moved(let count):
            counters.bytesReceived.add(count)
            connection.pointee.received += count
            // A short receive has emptied the queue, and new data raises a new event; another call would be wasted.
            if count < limit, !connection.pointee.mustDrain { connection.pointee.isReadable = false }
            return UnsafeRawBufferPointer(rebasing: space.prefix(count))
        case .wouldBlock:
            connection.pointee.isReadable = false
            connection.pointee.mustDrain = false
        case .ended:
            connection.pointee.isReadable = false
            connection.pointee.hasEnded = true
        case .failed(let error):
            throw error
        }
        return UnsafeRawBufferPointer(start: nil, count: 0)
    }

    private mutating func discard(_ connection: UnsafeMutablePointer<EchoConnection>) throws(SystemError) {
        _ = try receive(connection, atMost: Behavior.transferSize)
    }

    /// Sends as much as the limits and the client allow; returns the number of bytes sent.
    @inline(__always)
    private mutating func send(
        _ bytes: UnsafeRawBufferPointer,
        to connection: UnsafeMutablePointer<EchoConnection>
    ) throws(SystemError) -> Int {
        let allowed = min(bytes.count, behavior.chunk, behavior.closeAfter - connection.pointee.sent)
        switch system.send(
            UnsafeRawBufferPointer(rebasing: bytes.prefix(allowed)),
            to: connection.pointee.descriptor
        )
        {
        case .moved(let count):
            counters.bytesSent.add(count)
            connection.pointee.sent += count
            if count < allowed { connection.pointee.isWritable = false }
            return count
        case .wouldBlock, .ended:
            connection.pointee.isWritable = false
            return 0
        case .failed(let error):
            throw error
        }
    }
}
