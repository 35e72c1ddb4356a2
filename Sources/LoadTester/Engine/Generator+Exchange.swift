import EventLoop
import Sockets
import TLS

/// Exchanges, from sending a request to the end of its response.
extension Generator where Network: ~Copyable, Load: ~Copyable {
    /// Starts an exchange on an idle connection and sends the request without waiting for writability.
    @inline(__always)
    mutating func begin(_ slot: Int, _ link: Link, due: Instant, at moment: Instant) {
        link.pointee.due = due
        link.pointee.sentAt = moment
        link.pointee.phase = .busy
        busy += 1
        counts.begun += 1
        if !isOpenLoop, !isPerExchange { noteDue(due) }
        workload.begin(&link.pointee.exchange)
        if link.pointee.isUnread {
            link.pointee.isUnread = false
            ready.append(slot)
        }
        speak(slot, link)
    }

    /// Handles an event on a connection with an exchange.
    @inline(__always)
    mutating func attend(_ slot: Int, _ link: Link, _ readiness: Readiness) {
        note(readiness, on: link)
        if readiness.wantsReceive {
            guard listen(slot, link) else { return }
        }
        if readiness.wantsSend {
            if let channels { channels[slot].pointee.isBlocked = false }
            speak(slot, link)
        }
    }

    /// Records what an event reports about the end of the peer's stream.
    @inline(__always)
    func note(_ readiness: Readiness, on link: Link) {
        if readiness.reportsEOF { link.pointee.hasEnded = true }
        if readiness.reportsUrgentData { link.pointee.endsEarly = true }
    }

    /// Whether a short receive has emptied the receive queue.
    @inline(__always)
    func isDrained(after count: Int, of capacity: Int, _ link: Link) -> Bool {
        count < capacity && !link.pointee.hasEnded && !link.pointee.endsEarly
    }

    /// Handles what is ready on a connection with an exchange, before the exchange is judged to have had none in time.
    mutating func look(_ slot: Int) {
        guard connections.isTaken(slot), connections.pointer(to: slot).pointee.phase == .busy else { return }
        attend(slot, connections.pointer(to: slot), .both)
    }

    /// Sends the dialogue's outgoing bytes until there are none left or the send buffer is full.
    @inline(__always)
    mutating func speak(_ slot: Int, _ link: Link) {
        if let channels, !flush(slot, link, channels) { return }
        var turns = Limits.transfersPerVisit
        while turns > 0 {
            let bytes = workload.outgoing(&link.pointee.exchange)
            if bytes.isEmpty { return }
            switch send(bytes, slot, link) {
            case .moved(let count):
                counts.bytesSent += count
                counts.bytesUnacknowledged += count
                link.pointee.unacknowledged += count
                workload.sent(count, &link.pointee.exchange)
                // The send buffer is full; the poller reports when it is writable.
                if count < bytes.count, channels == nil { return }
                if !Load.isStream, count == bytes.count { return }
            case .wouldBlock, .ended:
                return
            case .failed(let error):
                return fail(slot, link, error)
            }
            turns -= 1
        }
        ready.append(slot)
    }

    @inline(__always)
    private mutating func send(_ bytes: UnsafeRawBufferPointer, _ slot: Int, _ link: Link) -> IOResult {
        if let channels { return send(bytes, slot, link, channels) }
        return system.send(bytes, to: link.pointee.descriptor)
    }

    /// Receives once.
    ///
    /// - Parameter isDrained: set to whether the receive queue is empty: a short receive has emptied it, and new data
    ///   raises a new event, so another call would be wasted. But an EOF that was already reported may follow the bytes,
    ///   and is not reported again.
    @inline(__always)
    private mutating func receive(_ slot: Int, _ link: Link, _ isDrained: inout Bool) -> IOResult {
        if let channels { return receive(slot, link, channels, &isDrained) }
        let result = system.receive(from: link.pointee.descriptor, into: buffer)
        if case .moved(let count) = result { isDrained = self.isDrained(after: count, of: buffer.count, link) }
        return result
    }

    /// Receives the available bytes.
    ///
    /// - Returns: whether the exchange continues; if not, the connection has started another one or is closed.
    @inline(__always)
    private mutating func listen(_ slot: Int, _ link: Link) -> Bool {
        var turns = Limits.transfersPerVisit
        while turns > 0 {
            var isDrained = false
            switch receive(slot, link, &isDrained) {
            case .moved(let count):
                counts.bytesReceived += count
                let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<count])
                // Over TLS, the bytes received may not be data.
                switch count > 0 ? workload.received(bytes, &link.pointee.exchange) : .receives {
                case .completes:
                    complete(slot, link)
                    return false
                case .mismatches:
                    fail(slot, link, .mismatch)
                    return false
                case .sends:
                    speak(slot, link)
                    guard connections.isTaken(slot) else { return false }
                case .receives:
                    break
                }
                if isDrained { return true }
            case .wouldBlock:
                return true
            case .ended:
                readHangup(slot, link)
                return false
            case .failed(let error):
                fail(slot, link, error)
                return false
            }
            turns -= 1
        }
        ready.append(slot)
        return true
    }

    /// Completes an exchange whose response is complete and correct.
    ///
    /// - Parameter answeredAt: end of the exchange's latency, if it is not now.
    @inline(__always)
    mutating func complete(_ slot: Int, _ link: Link, answeredAt: Instant? = nil) {
        let moment = system.now()
        now = moment
        counts.completed += 1
        // The response carries the acknowledgment of the request, so no system call is needed.
        counts.bytesUnacknowledged -= link.pointee.unacknowledged
        link.pointee.unacknowledged = 0
        record(link, answeredAt ?? moment)
        if isPerExchange {
            guard case .perExchange(let ending) = configuration.lifecycle else { return }
            discard(slot, ending)
            return issue()
        }
        if link.pointee.hasEnded {
            // The target serves one request per connection: that is not an error, and the next request uses another
            // connection.
            counts.closedIdle += 1
            discard(slot, .fin)
            return issue()
        }
        if stage == .running, !isOpenLoop, moment < end {
            busy -= 1
            return begin(slot, link, due: moment, at: moment)
        }
        if configuration.lifecycle == .held {
            busy -= 1
            link.pointee.phase = .checked
            return
        }
        rest(slot, link, moment)
        if isOpenLoop {
            gather(until: moment)
            dispatchQueue()
        }
    }

    /// Makes a connection wait for its next request.
    mutating func rest(_ slot: Int, _ link: Link, _ moment: Instant) {
        if link.pointee.phase == .busy { busy -= 1 }
        link.pointee.phase = .idle
        link.pointee.idleSince = moment
        idle.append(slot)
    }

    /// Fails an exchange or a connect because of a system error, and closes the connection.
    mutating func fail(_ slot: Int, _ link: Link, _ error: SystemError) {
        if let channels, error == .protocolError, link.pointee.phase != .dialing {
            counts.failures.add(TLSFailure(code: channels[slot].pointee.session.failure))
            // With a FIN, so that an alert in front of it arrives.
            return fail(slot, link, .tls, ending: .fin)
        }
        let cause = LoadTest.FailureCause(error)
        if cause == .other { counts.failures.otherError = error }
        fail(slot, link, cause)
    }

    mutating func fail(
        _ slot: Int,
        _ link: Link,
        _ cause: LoadTest.FailureCause,
        ending: LoadTest.ConnectionEnding = .reset
    ) {
        let wasDialing = link.pointee.isOpening
        // The causes of TLS failures are counted with their codes.
        if cause != .tls { counts.failures[cause] += 1 }
        if isMeasured(link), link.pointee.phase == .busy || isPerExchange {
            noteFailure(due: link.pointee.due)
            // The request took at least that long; leaving it out would make the target look better than it is.
            if cause == .timeout { recordAge(of: link) }
        }
        discard(slot, ending)
        if wasDialing { dialFailed() }
    }

    /// Handles EOF during an exchange.
    private mutating func readHangup(_ slot: Int, _ link: Link) {
        if Load.isStream, stage == .draining, workload.mayEnd(link.pointee.exchange) {
            counts.completed += 1
            return discard(slot, .fin)
        }
        fail(slot, link, .closedEarly)
    }

    /// Handles an event on a connection that waits for a request.
    mutating func disturbed(_ slot: Int, _ link: Link, _ readiness: Readiness) {
        if let channels, readiness.wantsSend, !resume(slot, link, channels) { return }
        if readiness.wantsReceive { link.pointee.isUnread = true }
        guard readiness.reportsEOF else { return }
        link.pointee.hasEnded = true
        if failIfRefused(slot, link) { return }
        guard configuration.lifecycle == .held, stage != .draining else {
            counts.closedIdle += 1
            return discard(slot, .fin)
        }
        let error = readiness.contains(.failed) ? system.takeError(of: link.pointee.descriptor) : nil
        counts.failures[error.map { LoadTest.FailureCause($0) } ?? .closedEarly] += 1
        discard(slot, .fin)
    }

    /// Closes a connection and frees its slot. Bytes that are unacknowledged by then count as lost.
    mutating func discard(_ slot: Int, _ ending: LoadTest.ConnectionEnding) {
        let link = connections.pointer(to: slot)
        measureUnacknowledged(slot, link)
        if channels != nil, link.pointee.phase != .dialing { closeChannel(slot, link, ending) }
        counts.bytesLost += link.pointee.unacknowledged
        counts.bytesUnacknowledged -= link.pointee.unacknowledged
        idle.remove(slot)
        ready.remove(slot)
        let connection = connections.remove(slot)
        switch connection.phase {
        case .dialing, .securing: dialing -= 1
        case .busy, .closing: busy -= 1
        case .idle, .checked: break
        }
        if !connection.isOpening { counts.open -= 1 }
        switch ending {
        case .fin: system.close(connection.descriptor)
        case .reset: system.abort(connection.descriptor)
        }
    }
}
