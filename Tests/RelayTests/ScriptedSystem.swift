import Sockets
import Testing

/// A system that answers each call of a half from a script and records the calls. After the end of its script, a call
/// would block.
struct ScriptedSystem: System, ~Copyable {
    /// Result of a receive.
    enum Arrival {
        case bytes(String)
        case end
        case failure(SystemError)
    }

    /// Result of a send.
    enum Room {
        case bytes(Int)
        case failure(SystemError)
    }

    /// A recorded call.
    enum Call: Equatable {
        case receive(Int32)
        case send(String, to: Int32)
        case endSending(Int32)
        case takeError(Int32)
        case close(Int32)
        case abort(Int32)
    }

    var arrivals: [Int32: [Arrival]] = [:]
    /// Without a script a socket accepts everything.
    var rooms: [Int32: [Room]] = [:]
    /// Pending errors of the sockets (SO_ERROR).
    var errors: [Int32: SystemError] = [:]
    var calls: [Call] = []
    let waker = NoWaker()

    /// Returns the calls since the last read.
    mutating func takeCalls() -> [Call] {
        defer { calls = [] }
        return calls
    }

    mutating func receive(
        from descriptor: borrowing Descriptor,
        into buffer: UnsafeMutableRawBufferPointer
    ) -> IOResult {
        let number = descriptor.number
        calls.append(.receive(number))
        guard let arrival = arrivals[number]?.first else { return .wouldBlock }
        arrivals[number]?.removeFirst()
        switch arrival {
        case .bytes(let text):
            let bytes = Array(text.utf8)
            let count = min(bytes.count, buffer.count)
            buffer.copyBytes(from: bytes[..<count])
            if count < bytes.count {
                arrivals[number]?.insert(.bytes(String(decoding: bytes[count...], as: UTF8.self)), at: 0)
            }
            return .moved(count)
        case .end: return .ended
        case .failure(let error): return .failed(error)
        }
    }

    mutating func send(_ bytes: UnsafeRawBufferPointer, to descriptor: borrowing Descriptor) -> IOResult {
        let number = descriptor.number
        calls.append(.send(String(decoding: bytes, as: UTF8.self), to: number))
        guard rooms[number] != nil else { return .moved(bytes.count) }
        guard let room = rooms[number]?.first else { return .wouldBlock }
        rooms[number]?.removeFirst()
        switch room {
        case .bytes(let count): return .moved(min(count, bytes.count))
        case .failure(let error): return .failed(error)
        }
    }

    mutating func endSending(on descriptor: borrowing Descriptor) -> SystemError? {
        calls.append(.endSending(descriptor.number))
        return nil
    }

    mutating func takeError(of descriptor: borrowing Descriptor) -> SystemError? {
        calls.append(.takeError(descriptor.number))
        return errors.removeValue(forKey: descriptor.number)
    }

    mutating func close(_ descriptor: consuming Descriptor) {
        calls.append(.close(descriptor.release()))
    }

    mutating func abort(_ descriptor: consuming Descriptor) {
        calls.append(.abort(descriptor.release()))
    }

    // MARK: Calls that a relay does not make

    mutating func now() -> Instant { unexpected() }
    mutating func wait(until deadline: Instant?) -> Int { unexpected() }
    mutating func event(_ index: Int) -> PollEvent { unexpected() }
    mutating func register(
        _ descriptor: borrowing Descriptor,
        for readiness: Readiness,
        token: Token
    ) -> SystemError? { unexpected() }
    mutating func modify(
        _ descriptor: borrowing Descriptor,
        for readiness: Readiness,
        token: Token
    ) -> SystemError? { unexpected() }
    mutating func listen(at address: SocketAddress, options: ListenOptions) throws(SystemError) -> Descriptor {
        unexpected()
    }
    mutating func localAddress(of descriptor: borrowing Descriptor) throws(SystemError) -> SocketAddress {
        unexpected()
    }
    mutating func accept(from listener: borrowing Descriptor) -> AcceptResult { unexpected() }
    mutating func connect(
        to address: borrowing RawAddress,
        from source: borrowing RawAddress?,
        options: borrowing SocketOptions
    ) throws(SystemError) -> Descriptor { unexpected() }
    mutating func unacknowledged(on descriptor: borrowing Descriptor) -> Int { unexpected() }
    mutating func pipe(capacity: Int) throws(SystemError) -> Pipe { unexpected() }
    mutating func splice(
        from source: borrowing Descriptor,
        to sink: borrowing Descriptor,
        atMost count: Int
    ) -> IOResult { unexpected() }

    private func unexpected(_ call: String = #function) -> Never {
        preconditionFailure("a relay must not call \(call)")
    }
}

struct NoWaker: Waker {
    func wake() {}
}
