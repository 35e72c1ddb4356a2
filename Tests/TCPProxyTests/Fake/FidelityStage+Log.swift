import FakeSystem
import Glibc
import Sockets
import Support
import Testing

extension FidelityStage where S: ~Copyable {
    mutating func connect(to address: SocketAddress) throws -> Descriptor {
        try system.connect(to: RawAddress(address), from: nil, options: SocketOptions())
    }

    mutating func watch(_ descriptor: borrowing Descriptor) {
        connections += 1
        #expect(system.register(descriptor, for: .connection, token: Token(bits: connections)) == nil)
    }

    /// Logs events that have happened, or are about to.
    mutating func logEvents() {
        let count = system.wait(until: system.now() + Self.patience)
        for index in 0..<count {
            let event = system.event(index)
            story.append("event \(event.token.bits): \(Self.words(event.readiness))")
        }
        if count == 0 { story.append("nothing") }
    }

    mutating func logNoEvents() {
        story.append("\(system.wait(until: system.now())) events")
    }

    /// A closed descriptor causes no more events; but while another test starts a process, that one holds a copy of the
    /// descriptor for a moment.
    mutating func logEndOfEvents(after news: () -> Void) {
        var attempts = 1000
        while system.wait(until: system.now() + .milliseconds(1)) > 0, attempts > 0 {
            attempts -= 1
            news()
        }
        logNoEvents()
    }

    private static func words(_ readiness: Readiness) -> String {
        let names: [(Readiness, String)] = [
            (.readable, "readable"), (.writable, "writable"), (.urgent, "urgent"), (.readHangup, "ended"),
            (.failed, "failed"), (.hungUp, "hung up"),
        ]
        return names.filter { readiness.contains($0.0) }.map(\.1).joined(separator: ", ")
    }

    mutating func log(_ transfer: IOResult, _ bytes: UnsafeRawBufferPointer? = nil) {
        switch transfer {
        case .moved(let count):
            if let bytes {
                story.append("received \(String(decoding: bytes.prefix(count), as: UTF8.self))")
            } else {
                story.append("moved \(count)")
            }
        case .wouldBlock: story.append("would block")
        case .ended: story.append("ended")
        case .failed(let error): story.append("failed: \(error)")
        }
    }

    mutating func receive(_ descriptor: borrowing Descriptor, atMost count: Int = 100) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
        defer { buffer.deallocate() }
        log(system.receive(from: descriptor, into: buffer), UnsafeRawBufferPointer(buffer))
    }

    mutating func receive(_ descriptor: borrowing Descriptor, times: Int) {
        for _ in 0..<times { receive(descriptor) }
    }

    mutating func read(from descriptor: borrowing Descriptor, atMost count: Int) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
        defer { buffer.deallocate() }
        log(system.read(from: descriptor, into: buffer), UnsafeRawBufferPointer(buffer))
    }

    mutating func send(_ text: String, to descriptor: borrowing Descriptor) {
        let bytes = Array(text.utf8)
        log(bytes.withUnsafeBytes { system.send($0, to: descriptor) })
    }

    mutating func splice(
        from source: borrowing Descriptor,
        to sink: borrowing Descriptor,
        atMost count: Int
    ) {
        log(system.splice(from: source, to: sink, atMost: count))
    }

    mutating func logError(_ descriptor: borrowing Descriptor) {
        story.append("error: \(system.takeError(of: descriptor).map(\.description) ?? "none")")
    }

    mutating func endSending(_ descriptor: borrowing Descriptor) {
        story.append("end: \(system.endSending(on: descriptor).map(\.description) ?? "sent")")
    }

    mutating func accept(_ listener: borrowing Descriptor) {
        switch system.accept(from: listener) {
        case .connection(let descriptor, let peer):
            if case .internet(let address) = peer { story.append("accepted from \(address.host)") }
            receive(descriptor)
            system.close(descriptor)
        case .wouldBlock: story.append("would block")
        case .failed(let error): story.append("failed: \(error)")
        }
    }

    /// Sends until no more bytes are accepted.
    mutating func fill(_ descriptor: borrowing Descriptor) {
        let bytes = [UInt8](repeating: 1, count: 64 * 1024)
        while true {
            let transfer = bytes.withUnsafeBytes { system.send($0, to: descriptor) }
            guard case .moved = transfer else { return log(transfer) }
        }
    }

    /// Makes the far end read everything in flight.
    mutating func drain(_ descriptor: borrowing Descriptor, into end: any FarEnd) throws {
        let deadline = system.now() + Self.patience
        while system.unacknowledged(on: descriptor) > 0, system.now() < deadline { try end.drain() }
        try end.drain()
    }
}
