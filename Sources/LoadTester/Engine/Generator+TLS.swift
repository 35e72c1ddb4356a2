import EventLoop
import Sockets
import TLS

/// Handshakes, and the transfer of encrypted bytes.
extension Generator where Network: ~Copyable, Load: ~Copyable {
    typealias Channel = UnsafeMutablePointer<TLSChannel>

    // MARK: Handshake

    /// Starts the handshake of a connection that was just established.
    mutating func startHandshake(_ slot: Int, _ link: Link, _ channels: TLSChannels, _ readiness: Readiness) {
        guard channels.open(slot, at: system.now()) != nil else { return failOpening(slot, link, .outOfMemory) }
        link.pointee.phase = .securing
        continueHandshake(slot, link, channels, mayReceive: readiness.wantsReceive)
    }

    /// Handles an event on a connection in the handshake.
    mutating func continueHandshake(_ slot: Int, _ link: Link, _ readiness: Readiness) {
        guard let channels else { return }
        note(readiness, on: link)
        if readiness.wantsSend { channels[slot].pointee.isBlocked = false }
        continueHandshake(slot, link, channels, mayReceive: true)
    }

    private mutating func continueHandshake(_ slot: Int, _ link: Link, _ channels: TLSChannels, mayReceive: Bool) {
        let channel = channels[slot]
        var mayReceive = mayReceive
        var input = UnsafeRawBufferPointer(start: nil, count: 0)
        if let error = flush(channel, link) { return failOpening(slot, link, error) }
        // Terminates: each iteration receives bytes, sends bytes, or returns.
        while channel.pointee.waiting.isEmpty {
            var io = TransformBuffers(input: input, output: channels.output)
            let result = channel.pointee.session.handshake(&io)
            input = io.input
            if let error = dispatch(io.outputCount, channel, link, channels) {
                return failOpening(slot, link, error)
            }
            switch result {
            case .done:
                channels.keepInput(input, in: channel)
                link.pointee.isUnread = link.pointee.isUnread || !input.isEmpty || link.pointee.hasEnded
                return completeHandshake(slot, link, channel, channels)
            case .needsOutput:
                continue
            case .closed, .truncated:
                return failOpening(slot, link, .closedEarly)
            case .failed:
                return failOpening(slot, link, .protocolError)
            case .needsInput:
                guard mayReceive else { return }
                switch system.receive(from: link.pointee.descriptor, into: channels.input) {
                case .moved(let count):
                    input = UnsafeRawBufferPointer(rebasing: channels.input[..<count])
                    mayReceive = !isDrained(after: count, of: channels.input.count, link)
                    link.pointee.isUnread = mayReceive
                case .wouldBlock:
                    link.pointee.isUnread = false
                    return
                case .ended:
                    channel.pointee.session.inputEnded()
                    mayReceive = false
                case .failed(let error):
                    return failOpening(slot, link, error)
                }
            }
        }
    }

    private mutating func completeHandshake(_ slot: Int, _ link: Link, _ channel: Channel, _ channels: TLSChannels) {
        let moment = system.now()
        let session = channel.pointee.session
        channel.pointee.completedAt = moment
        // With TLS 1.2 the target's Finished is last, with TLS 1.3 that of the client (RFC 8446, 2).
        channel.pointee.isConfirmed = session.version == .v12
        sample.handshake.record(channel.pointee.startedAt, moment)
        if session.isResumed { counts.resumedHandshakes += 1 } else { counts.fullHandshakes += 1 }
        channels.countAgreement(of: session)
        established(slot, link, at: moment)
    }

    // MARK: Receiving

    /// Receives from the socket and decrypts everything received.
    ///
    /// - Parameter isDrained: set to whether the receive queue is empty.
    /// - Returns: `.moved(0)` if the bytes received were not data.
    mutating func receive(_ slot: Int, _ link: Link, _ channels: TLSChannels, _ isDrained: inout Bool) -> IOResult {
        let channel = channels[slot]
        if let end = channel.pointee.end { return conclude(end, channel) }
        let stored = channel.pointee.input
        channel.pointee.input = nil
        defer { stored?.deallocate() }
        var input = UnsafeRawBufferPointer(start: nil, count: 0)
        if let stored {
            input = UnsafeRawBufferPointer(stored)
        } else {
            switch system.receive(from: link.pointee.descriptor, into: channels.input) {
            case .moved(let count):
                input = UnsafeRawBufferPointer(rebasing: channels.input[..<count])
                isDrained = self.isDrained(after: count, of: channels.input.count, link)
            case .wouldBlock: return .wouldBlock
            case .ended: channel.pointee.session.inputEnded()
            case .failed(let error): return .failed(error)
            }
        }
        var count = 0
        // Terminates: each iteration decrypts a record or ends. The buffer has room for all of them.
        while channel.pointee.end == nil {
            var io = TransformBuffers(input: input, output: channels.output)
            let room = UnsafeMutableRawBufferPointer(rebasing: buffer[count...])
            var decoded = 0
            let result = channel.pointee.session.decode(&io, into: room, count: &decoded)
            input = io.input
            count += decoded
            if let error = dispatch(io.outputCount, channel, link, channels) { return .failed(error) }
            switch result {
            case .done: continue
            case .needsInput:
                channel.pointee.isConfirmed = true
                return .moved(count)
            case .needsOutput: return .failed(.outOfMemory)
            case .closed, .truncated, .failed: channel.pointee.end = result
            }
        }
        if count > 0 { return .moved(count) }
        return conclude(channel.pointee.end ?? .failed, channel)
    }

    /// Returns the end of the peer's stream as the result of a receive.
    private mutating func conclude(_ end: TransformResult, _ channel: Channel) -> IOResult {
        if end == .failed { return .failed(.protocolError) }
        if end == .truncated, !channel.pointee.hasEncodedEnd { counts.truncated += 1 }
        channel.pointee.end = .closed
        return .ended
    }

    // MARK: Sending

    /// Encrypts the beginning of bytes and sends it.
    ///
    /// - Returns: the number of bytes encrypted; the socket may not have accepted all of them yet.
    mutating func send(
        _ bytes: UnsafeRawBufferPointer,
        _ slot: Int,
        _ link: Link,
        _ channels: TLSChannels
    ) -> IOResult {
        let channel = channels[slot]
        guard channel.pointee.waiting.isEmpty, !channel.pointee.isBlocked else { return .wouldBlock }
        var io = TransformBuffers(input: UnsafeRawBufferPointer(start: nil, count: 0), output: channels.output)
        var taken = 0
        var hasFailed = false
        while taken < bytes.count, io.hasRoom, !hasFailed {
            var count = 0
            let rest = UnsafeRawBufferPointer(rebasing: bytes[taken...])
            hasFailed = channel.pointee.session.encode(rest, &io, count: &count) != .done
            taken += count
        }
        if let error = dispatch(io.outputCount, channel, link, channels) { return .failed(error) }
        return hasFailed ? .failed(.protocolError) : .moved(taken)
    }

    /// Sends the bytes that wait for the socket, and the end of the stream if it is due. Fails the connection on an error.
    ///
    /// - Returns: whether more can be sent.
    mutating func flush(_ slot: Int, _ link: Link, _ channels: TLSChannels) -> Bool {
        let channel = channels[slot]
        if let error = channel.pointee.endsSending ? continueEnd(channel, link, channels) : flush(channel, link) {
            fail(slot, link, error)
            return false
        }
        return channel.pointee.waiting.isEmpty
    }

    /// Sends the bytes that wait, on a socket that was reported writable.
    ///
    /// - Returns: whether the connection still exists.
    mutating func resume(_ slot: Int, _ link: Link, _ channels: TLSChannels) -> Bool {
        channels[slot].pointee.isBlocked = false
        _ = flush(slot, link, channels)
        return connections.isTaken(slot)
    }

    /// Ends the stream to the peer behind the bytes that wait: close_notify, and a FIN.
    mutating func endStream(_ slot: Int, _ link: Link, _ channels: TLSChannels, withFIN: Bool) -> SystemError? {
        let channel = channels[slot]
        channel.pointee.endsSending = true
        channel.pointee.sendsFIN = withFIN
        return continueEnd(channel, link, channels)
    }

    private mutating func continueEnd(_ channel: Channel, _ link: Link, _ channels: TLSChannels) -> SystemError? {
        if let error = flush(channel, link) { return error }
        if channel.pointee.waiting.isEmpty, !channel.pointee.hasEncodedEnd {
            if let error = encodeEnd(channel, link, channels) { return error }
        }
        guard channel.pointee.waiting.isEmpty, channel.pointee.sendsFIN, !link.pointee.hasEndedSending else {
            return nil
        }
        link.pointee.hasEndedSending = true
        return system.endSending(on: link.pointee.descriptor)
    }

    private mutating func encodeEnd(_ channel: Channel, _ link: Link, _ channels: TLSChannels) -> SystemError? {
        channel.pointee.hasEncodedEnd = true
        var io = TransformBuffers(input: UnsafeRawBufferPointer(start: nil, count: 0), output: channels.output)
        _ = channel.pointee.session.end(&io)
        return dispatch(io.outputCount, channel, link, channels)
    }

    /// Sends bytes that wait for the socket.
    private mutating func flush(_ channel: Channel, _ link: Link) -> SystemError? {
        guard !channel.pointee.waiting.isEmpty, !channel.pointee.isBlocked else { return nil }
        switch system.send(channel.pointee.waitingBytes, to: link.pointee.descriptor) {
        case .moved(let count):
            let waiting = channel.pointee.waiting.dropFirst(count)
            channel.pointee.waiting = waiting.isEmpty ? 0..<0 : waiting
            channel.pointee.isBlocked = !waiting.isEmpty
        case .wouldBlock, .ended: channel.pointee.isBlocked = true
        case .failed(let error): return error
        }
        return nil
    }

    /// Sends the bytes just stored in the output buffer, behind those that wait already, and keeps the rest.
    private mutating func dispatch(_ count: Int, _ channel: Channel, _ link: Link, _ channels: TLSChannels)
        -> SystemError?
    {
        guard count > 0 else { return nil }
        var sent = 0
        if channel.pointee.waiting.isEmpty, !channel.pointee.isBlocked {
            let bytes = UnsafeRawBufferPointer(rebasing: channels.output[..<count])
            switch system.send(bytes, to: link.pointee.descriptor) {
            case .moved(let count): sent = count
            case .wouldBlock, .ended: break
            case .failed(let error): return error
            }
            channel.pointee.isBlocked = sent < count
        }
        guard sent < count else { return nil }
        let rest = UnsafeRawBufferPointer(rebasing: channels.output[sent..<count])
        return channels.keep(rest, in: channel) ? nil : .outOfMemory
    }

    // MARK: Closing

    /// Ends the connection of an exchange without data, and waits for the peer's end, before which the peer has completed
    /// its handshake and sent its session tickets.
    mutating func startClosing(_ slot: Int, _ link: Link, _ channels: TLSChannels) {
        link.pointee.sentAt = link.pointee.dialedAt
        link.pointee.phase = .closing
        busy += 1
        counts.begun += 1
        var withFIN = configuration.lifecycle == .perExchange(.fin)
        let channel = channels[slot]
        if channel.pointee.storesSession, channel.pointee.session.version != .v12 {
            // The library ignores tickets after it has sent close_notify, and some servers send them with their first
            // bytes: their own close_notify. So the end is only a FIN.
            channel.pointee.hasEncodedEnd = true
            withFIN = true
        }
        let error = endStream(slot, link, channels, withFIN: withFIN)
        guard link.pointee.isUnread || error != nil else { return }
        link.pointee.isUnread = false
        // If the peer has already closed the connection, it may have sent an alert before.
        continueClosing(slot, link, .readable)
        if let error, connections.isTaken(slot), link.pointee.phase == .closing { fail(slot, link, error) }
    }

    /// Handles an event on a connection that is being closed.
    mutating func continueClosing(_ slot: Int, _ link: Link, _ readiness: Readiness) {
        guard let channels else { return }
        note(readiness, on: link)
        if readiness.wantsSend, !resume(slot, link, channels) { return }
        guard readiness.wantsReceive else { return }
        let completedAt = channels[slot].pointee.completedAt
        // Terminates: data ends the wait, and records without data are limited by the library.
        while true {
            var isDrained = false
            switch receive(slot, link, channels, &isDrained) {
            case .moved(0):
                if isDrained { return }
            case .moved, .ended:
                return complete(slot, link, answeredAt: completedAt)
            case .wouldBlock:
                return
            case .failed(let error):
                guard isEnd(error, slot, channels) else { return fail(slot, link, error) }
                return complete(slot, link, answeredAt: completedAt)
            }
        }
    }

    /// Whether an error ends a connection whose handshake the peer has completed.
    private func isEnd(_ error: SystemError, _ slot: Int, _ channels: TLSChannels) -> Bool {
        let channel = channels[slot]
        // The peer resets a connection that it has closed before close_notify arrived, and may complain about a FIN alone.
        if error.isReset { return channel.pointee.isConfirmed }
        return error == .protocolError && channel.pointee.storesSession
            && TLSFailure(code: channel.pointee.session.failure).isTruncationAlert
    }

    /// Handles the end of a connection that waits for a request: it may be the target's refusal of the handshake, which
    /// with TLS 1.3 follows the client's end of it.
    ///
    /// - Returns: whether the connection was closed because of a TLS failure.
    mutating func failIfRefused(_ slot: Int, _ link: Link) -> Bool {
        guard let channels else { return false }
        var turns = Limits.transfersPerVisit
        while turns > 0 {
            var isDrained = false
            switch receive(slot, link, channels, &isDrained) {
            case .moved: turns -= 1
            case .wouldBlock, .ended: return false
            case .failed(let error):
                guard error == .protocolError else { return false }
                fail(slot, link, error)
                dialFailed()
                return true
            }
        }
        return false
    }

    /// Frees the TLS state of a connection that is being closed; sends close_notify if it ends with a FIN.
    mutating func closeChannel(_ slot: Int, _ link: Link, _ ending: LoadTest.ConnectionEnding) {
        guard let channels else { return }
        let channel = channels[slot]
        if ending == .fin, link.pointee.phase != .securing, channel.pointee.waiting.isEmpty,
            !channel.pointee.hasEncodedEnd, channel.pointee.end != .failed
        {
            // The connection is closed whether or not this succeeds.
            _ = encodeEnd(channel, link, channels)
        }
        channels.close(slot)
    }

    /// Number of encrypted bytes of a connection that the kernel has not accepted.
    func waiting(_ slot: Int, _ link: Link) -> Int {
        guard let channels, link.pointee.phase != .dialing else { return 0 }
        return channels[slot].pointee.waiting.count
    }
}
