import FakeSystem
import Randomness
import Sockets

/// A client or a server, with a record of what it has done to its connection, against which the proxy is checked.
///
/// It sends the byte pattern from an offset of its own, so that misdirected bytes are detected.
final class PeerScript {
    enum Role: String {
        case client
        case server
    }

    let role: Role
    let number: Int
    let peer: FakePeer
    /// Bytes that it has passed to its kernel, or will.
    private(set) var sent = 0
    /// Whether it has ended its stream with a FIN.
    private(set) var hasFinished = false
    /// Whether it ever stopped reading.
    private(set) var hasStalled = false
    /// Whether it has closed its connection in another way than by ending its stream.
    private(set) var hasLeft = false
    /// Whether the network between it and the proxy is gone.
    private(set) var hasVanished = false
    private let tell: (String) -> Void

    init(_ role: Role, _ number: Int, _ peer: FakePeer, tell: @escaping (String) -> Void) {
        self.role = role
        self.number = number
        self.peer = peer
        self.tell = tell
    }

    var name: String { "\(role) \(number)" }

    /// Distance of the programs' offsets in the pattern; a prime that does not divide its period.
    private static let distance = 1_009

    private var offset: Int { (2 * number + (role == .client ? 0 : 1)) * Self.distance }

    /// Whether its connection ended for a reason other than the proxy.
    var isDisturbed: Bool { hasLeft || hasVanished || peer.wasResetByNetwork }

    // MARK: Actions

    func send(_ count: Int) {
        guard !hasFinished, !hasLeft, count > 0 else { return }
        tell("\(name) sends \(count)")
        peer.sendPattern(from: offset + sent, count: count)
        sent += count
    }

    func finish() {
        guard !hasFinished, !hasLeft else { return }
        tell("\(name) ends its stream after \(sent)")
        hasFinished = true
        peer.finish()
    }

    func close() {
        leave("closes after \(sent)") { peer in
            hasFinished = true
            peer.close()
        }
    }

    func reset() {
        leave("resets") { $0.reset() }
    }

    private func leave(_ action: String, _ end: (FakePeer) -> Void) {
        guard !hasLeft else { return }
        tell("\(name) \(action)")
        hasLeft = true
        end(peer)
    }

    func stall() {
        tell("\(name) stops reading")
        hasStalled = true
        peer.isReading = false
    }

    func resume() {
        guard !hasLeft else { return }
        tell("\(name) reads")
        peer.isReading = true
    }

    func read(_ count: Int) {
        guard !hasLeft, !peer.isReading else { return }
        tell("\(name) reads \(count)")
        peer.read(count)
    }

    func vanish() {
        tell("\(name) vanishes")
        hasVanished = true
        peer.vanish()
    }

    /// Makes the proxy's kernel detect that the program has vanished.
    func isGivenUp() {
        tell("the kernel times \(name) out")
        peer.abandonUnanswered(.timedOut)
    }

    // MARK: Checks

    /// Returns what is wrong with the received bytes and end if they are not those that `other` sent; nil if all is right.
    func complaint(from other: PeerScript) -> String? {
        let received = peer.received.count
        let wrong = peer.received.withUnsafeBytes { BytePattern.firstDifference(in: $0, from: other.offset) }
        if let wrong {
            return "\(name): byte \(wrong) of \(received) is not \(other.name)'s"
        }
        if received > other.sent { return "\(name): received \(received) of \(other.sent) bytes" }
        guard peer.end == .fin else { return nil }
        if !other.hasFinished { return "\(name): a FIN that \(other.name) has not sent" }
        if received < other.sent { return "\(name): a FIN after \(received) of \(other.sent) bytes" }
        return nil
    }

    /// Whether it has received everything that the other program sent, and its FIN.
    func hasAll(of other: PeerScript) -> Bool {
        peer.end == .fin && peer.received.count == other.sent
    }
}
