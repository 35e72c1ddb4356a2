import FakeSystem
import Glibc
import Sockets
import Support
import Testing

/// The scenes of a listening socket.
extension FidelityStage where S: ~Copyable {
    private mutating func listen() throws -> Descriptor {
        let listener = try system.listen(at: far.listenAddress, options: ListenOptions())
        #expect(system.register(listener, for: .readable, token: Token(bits: 50)) == nil)
        return listener
    }

    mutating func accepts() throws {
        let listener = try listen()
        let address = try system.localAddress(of: listener)
        logNoEvents()
        let first = try far.connect(to: address)
        try first.send("one")
        let second = try far.connect(to: address)
        try second.send("two")
        logEvents()
        // Level-triggered: reported as long as the state holds.
        logEvents()
        accept(listener)
        logEvents()
        accept(listener)
        logNoEvents()
        accept(listener)
        system.close(listener)
    }

    mutating func pausesListening() throws {
        let listener = try listen()
        let client = try far.connect(to: system.localAddress(of: listener))
        logEvents()
        _ = system.modify(listener, for: [], token: Token(bits: 50))
        logNoEvents()
        _ = system.modify(listener, for: .readable, token: Token(bits: 50))
        logEvents()
        try client.send("hello")
        accept(listener)
        system.close(listener)
    }

    mutating func closesListenerWithQueue() throws {
        let listener = try listen()
        let address = try system.localAddress(of: listener)
        let client = try far.connect(to: address)
        try client.send("hello?")
        system.close(listener)
        story.append(try client.received())
        do {
            _ = try far.connect(to: address)
            story.append("connected without a listener")
        } catch {
            story.append("refused")
        }
    }

    mutating func clientResetsInQueue() throws {
        let listener = try listen()
        let client = try far.connect(to: system.localAddress(of: listener))
        try client.send("bye")
        try client.reset()
        logEvents()
        switch system.accept(from: listener) {
        case .connection(let descriptor, peer: _):
            watch(descriptor)
            logEvents()
            logError(descriptor)
            receive(descriptor)
            receive(descriptor)
            system.close(descriptor)
        case .wouldBlock: story.append("no connection")
        case .failed(let error): story.append("\(error)")
        }
        system.close(listener)
    }
}
