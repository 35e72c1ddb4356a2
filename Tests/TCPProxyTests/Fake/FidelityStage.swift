import FakeSystem
import Glibc
import Sockets
import Support
import Testing

/// The system under test, its far side, and the log of what both do.
struct FidelityStage<S: System & ~Copyable>: ~Copyable {
    var system: S
    let far: any FarSide
    var story: [String] = []
    var connections: UInt64 = 100

    init(system: consuming S, far: any FarSide) {
        self.system = system
        self.far = far
    }

    /// Timeout for an expected event, long enough for a busy machine; a wait ends as soon as the event arrives.
    static var patience: Duration { .seconds(5) }

    mutating func play(_ scene: FidelityTests.Scene) throws {
        switch scene {
        case .isRefused: try isRefused()
        case .accepts: try accepts()
        case .pausesListening: try pausesListening()
        case .closesListenerWithQueue: try closesListenerWithQueue()
        case .clientResetsInQueue: try clientResetsInQueue()
        case .registersLate: try registersLate()
        default: try playConnected(scene)
        }
    }

    /// Receives what is left, without another event, and then a further text, which is reported again.
    private mutating func drain(
        _ descriptor: borrowing Descriptor,
        thenReceive text: String,
        from end: any FarEnd
    ) throws {
        logNoEvents()
        receive(descriptor, times: 2)
        try end.send(text)
        logEvents()
        receive(descriptor)
    }

    /// The scenes between a connected socket and its far end.
    private mutating func playConnected(_ scene: FidelityTests.Scene) throws {
        let descriptor = try connect(to: far.address)
        let end = try far.accept()
        watch(descriptor)
        logEvents()
        switch scene {
        case .receivesBytes:
            try end.send("hello")
            logEvents()
            // Reported once.
            logNoEvents()
            receive(descriptor, atMost: 2)
            try drain(descriptor, thenReceive: "again", from: end)
        case .receivesUrgentByte:
            try end.sendUrgent("abc!")
            logEvents()
            receive(descriptor)
            try drain(descriptor, thenReceive: "more", from: end)
        case .receivesFIN:
            try end.send("bye")
            try end.finish()
            logEvents()
            receive(descriptor, times: 3)
            logError(descriptor)
            send("still here", to: descriptor)
            story.append(try end.received())
        case .detectsResetByPoller:
            try end.send("bye")
            try end.reset()
            logEvents()
            logError(descriptor)
            logError(descriptor)
            receive(descriptor, times: 2)
            send("too late", to: descriptor)
            endSending(descriptor)
        case .detectsResetByReceive:
            try end.send("bye")
            try end.reset()
            receive(descriptor, times: 3)
            logError(descriptor)
            logEvents()
        case .detectsResetBySend:
            try end.send("bye")
            try end.reset()
            send("too late", to: descriptor)
            send("too late", to: descriptor)
            receive(descriptor, times: 2)
        case .detectsResetAfterEnd:
            try end.close()
            logEvents()
            receive(descriptor)
            send("is this delivered", to: descriptor)
            logEvents()
            receive(descriptor)
            logError(descriptor)
            send("hello?", to: descriptor)
        case .farSideClosesWithUnreadBytes:
            send("these stay unread", to: descriptor)
            try end.close()
            logEvents()
            receive(descriptor, times: 2)
        case .closesWithUnreadBytes:
            send("bye", to: descriptor)
            try end.send("these stay unread")
            logEvents()
            system.close(descriptor)
            story.append(try end.received())
            return
        case .closes:
            send("bye", to: descriptor)
            system.close(descriptor)
            story.append(try end.received())
            return
        case .aborts:
            send("bye", to: descriptor)
            system.abort(descriptor)
            story.append(try end.received())
            return
        case .bothEnd:
            endSending(descriptor)
            story.append(try end.received())
            try end.send("late")
            logEvents()
            receive(descriptor)
            try end.finish()
            logEvents()
            receive(descriptor)
            logError(descriptor)
        case .fillsTheBuffer:
            fill(descriptor)
            story.append("unacknowledged: \(system.unacknowledged(on: descriptor) > 0)")
            story.append("room: \(system.availableSendBuffer(of: descriptor) < 64 * 1024)")
            logNoEvents()
            try drain(descriptor, into: end)
            logEvents()
            send("more", to: descriptor)
        case .countsTheEnd:
            fill(descriptor)
            let before = system.unacknowledged(on: descriptor)
            endSending(descriptor)
            story.append("an end counts \(system.unacknowledged(on: descriptor) - before)")
            try drain(descriptor, into: end)
            story.append("unacknowledged: \(system.unacknowledged(on: descriptor))")
        case .splices:
            try splices(descriptor, end)
        case .setsLowWater:
            system.setReceiveLowWater(of: descriptor, to: 1000)
            try end.send("few")
            logNoEvents()
            try end.send(String(repeating: "many ", count: 200))
            logEvents()
            receive(descriptor, atMost: 5000)
            try end.send("few")
            logNoEvents()
            system.setReceiveLowWater(of: descriptor, to: 1)
            logEvents()
            receive(descriptor)
            system.setReceiveLowWater(of: descriptor, to: 1000)
            try end.send("few")
            try end.finish()
            logEvents()
            receive(descriptor, times: 2)
        case .closesWatched:
            try end.send("hello")
            system.close(descriptor)
            logEndOfEvents { try? end.send("hello?") }
            return
        default:
            receive(descriptor)
            logError(descriptor)
            logNoEvents()
        }
        system.close(descriptor)
    }

    private mutating func isRefused() throws {
        let descriptor = try connect(to: far.deadAddress)
        watch(descriptor)
        logEvents()
        logError(descriptor)
        logError(descriptor)
        receive(descriptor)
        send("hello?", to: descriptor)
        system.close(descriptor)
    }

    /// A state that exists already is reported when a descriptor is registered.
    private mutating func registersLate() throws {
        let descriptor = try connect(to: far.address)
        let end = try far.accept()
        try end.send("hello")
        watch(descriptor)
        logEvents()
        logNoEvents()
        _ = system.modify(descriptor, for: .connection, token: Token(bits: 7))
        logEvents()
        system.close(descriptor)
    }

    private mutating func splices(_ descriptor: borrowing Descriptor, _ end: any FarEnd) throws {
        let pipe = try system.pipe(capacity: 65_536)
        splice(from: descriptor, to: pipe.input, atMost: 100)
        try end.send("through a pipe")
        logEvents()
        splice(from: descriptor, to: pipe.input, atMost: 7)
        splice(from: descriptor, to: pipe.input, atMost: 100)
        splice(from: descriptor, to: pipe.input, atMost: 100)
        read(from: pipe.output, atMost: 4)
        splice(from: pipe.output, to: descriptor, atMost: 3)
        splice(from: pipe.output, to: descriptor, atMost: 100)
        splice(from: pipe.output, to: descriptor, atMost: 100)
        try end.finish()
        splice(from: descriptor, to: pipe.input, atMost: 100)
        system.close(pipe.input)
        system.close(pipe.output)
        endSending(descriptor)
        story.append(try end.received())
    }
}
