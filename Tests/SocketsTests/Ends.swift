import Glibc
import Sockets
import Support
import Testing

/// A comparable `IOResult`.
enum Outcome: Equatable {
    case moved(Int)
    case wouldBlock
    case ended
    case failed(SystemError)

    init(_ transfer: IOResult) {
        self =
            switch transfer {
            case .moved(let count): .moved(count)
            case .wouldBlock: .wouldBlock
            case .ended: .ended
            case .failed(let error): .failed(error)
            }
    }

    var hasMoved: Bool { if case .moved = self { true } else { false } }
}

/// A real system with a listener and one connection to it, both ends of which the test controls.
///
/// A class, so that open descriptors are closed even if a test throws: a lost descriptor traps.
final class Ends {
    enum End: CaseIterable {
        case listener
        case client
        case server
    }

    var system: LinuxSystem
    private(set) var address: SocketAddress
    private var open: [End: Int32] = [:]

    init(
        at address: SocketAddress = .internet(InternetAddress(v4: 0x7f00_0001, port: 0)),
        listenOptions: ListenOptions = .init(),
        connectOptions: SocketOptions = .init(),
        from source: SocketAddress? = nil
    ) throws {
        system = try LinuxSystem(wakerToken: Token(bits: 0))
        self.address = address
        let listener = try system.listen(at: address, options: listenOptions)
        self.address = (try? system.localAddress(of: listener)) ?? address
        open[.listener] = listener.release()
        open[.client] = try system.connect(
            to: RawAddress(self.address),
            from: source.map { RawAddress($0) },
            options: connectOptions
        ).release()
        peer = try accept()
    }

    /// The client's address as reported by accept.
    private(set) var peer: PeerAddress?

    deinit {
        for number in open.values { system.close(Descriptor(adopting: number)) }
    }

    /// Returns the descriptor number of an end, for socket options and queries.
    func number(_ end: End) throws -> Int32 {
        try #require(open[end])
    }

    /// Lends the descriptor of an end.
    func with<Value>(
        _ end: End,
        _ body: (inout LinuxSystem, borrowing Descriptor) throws -> Value
    ) throws -> Value {
        let descriptor = Descriptor(adopting: try number(end))
        do {
            let value = try body(&system, descriptor)
            _ = descriptor.release()
            return value
        } catch {
            _ = descriptor.release()
            throw error
        }
    }

    /// Shuts down and closes the listener, so that a copy of it in a process that is being started stops listening too.
    func stopListening() throws {
        try #require(shutdown(try number(.listener), Int32(SHUT_RDWR)) == 0)
        system.close(try take(.listener))
    }

    /// Passes ownership of an end to the test, which must close it.
    func take(_ end: End) throws -> Descriptor {
        let number = try number(end)
        open[end] = nil
        return Descriptor(adopting: number)
    }

    func send(_ text: String, from end: End) throws -> Outcome {
        try with(end) { system, descriptor in
            Array(text.utf8).withUnsafeBytes { Outcome(system.send($0, to: descriptor)) }
        }
    }

    /// Receives without waiting.
    func receiveNow(_ end: End, upTo count: Int = 65_536) throws -> (outcome: Outcome, bytes: [UInt8]) {
        var bytes = [UInt8](repeating: 0, count: count)
        let outcome = try with(end) { system, descriptor in
            bytes.withUnsafeMutableBytes { Outcome(system.receive(from: descriptor, into: $0)) }
        }
        if case .moved(let count) = outcome { return (outcome, Array(bytes.prefix(count))) }
        return (outcome, [])
    }

    /// Receives, and waits for bytes.
    func receive(_ end: End, upTo count: Int = 65_536) throws -> (outcome: Outcome, bytes: [UInt8]) {
        try soon("received bytes") {
            let received = try receiveNow(end, upTo: count)
            return received.outcome == .wouldBlock ? nil : received
        }
    }

    private func accept() throws -> PeerAddress {
        try soon("connection") {
            let (accepted, peer) = try with(.listener) { system, listener -> (Int32, PeerAddress?) in
                switch system.accept(from: listener) {
                case .connection(let descriptor, let peer): (descriptor.release(), peer)
                case .wouldBlock: (-1, nil)
                case .failed(let error): throw error
                }
            }
            if peer != nil { open[.server] = accepted }
            return peer
        }
    }
}

/// Polls with a deadline for a state that the kernel reaches within a moment. Spins instead of suspending the thread,
/// since on loopback that moment is a few microseconds; only for tests with threads of their own.
@discardableResult
func soon<Value>(
    _ what: String,
    at location: SourceLocation = #_sourceLocation,
    _ value: () throws -> Value?
) throws -> Value {
    let deadline = ContinuousClock.now + patience
    while ContinuousClock.now < deadline {
        if let value = try value() { return value }
    }
    throw TimedOut(waitingFor: what, after: patience, at: location)
}
