public import Sockets

/// A server that the process can connect to.
public final class FakeServer {
    /// Response to a connection attempt.
    public enum Answer {
        case accept(after: Duration = .zero)
        case fail(SystemError, after: Duration = .zero)
        /// No response ever arrives.
        case silence
        /// The call itself fails.
        case failAtOnce(SystemError)
        /// No server listens, and the socket connects to itself.
        case itself
    }

    public let address: SocketAddress
    public var answer: Answer
    /// Called for each attempt; without it, ``answer`` applies to all.
    public var onAttempt: (() -> Answer)?
    /// Number of connection attempts of the process.
    public private(set) var attempts = 0
    /// The local address of each attempt; nil if the process left the choice to the system.
    public private(set) var sources: [PeerAddress?] = []
    /// Accepted connections, in order.
    public private(set) var connections: [FakePeer] = []
    /// Called for each accepted connection, immediately.
    public var onConnect: ((FakePeer) -> Void)?

    init(at address: SocketAddress, answer: Answer) {
        self.address = address
        self.answer = answer
    }

    func attempt(by near: FakeSocket, from source: PeerAddress?, in world: FakeWorld) throws(SystemError) {
        attempts += 1
        sources.append(source)
        switch onAttempt?() ?? answer {
        case .accept(let delay):
            let far = world.makeSocket(isUnix: near.isUnix)
            run(after: delay, in: world) { [self] in
                guard near.state == .connecting, !near.isOrphan else { return }
                FakeSocket.link(near, far)
                let peer = world.makePeer(far)
                far.establish()
                near.establish()
                connections.append(peer)
                onConnect?(peer)
            }
        case .fail(let error, let delay):
            run(after: delay, in: world) { near.fail(error) }
        case .silence:
            break
        case .itself:
            near.isConnectedToItself = true
            FakeSocket.link(near, world.makeSocket(isUnix: false))
            near.establish()
        case .failAtOnce(let error):
            throw error
        }
    }

    private func run(after delay: Duration, in world: FakeWorld, _ action: @escaping () -> Void) {
        if delay > .zero { world.plan(after: delay, action) } else { action() }
    }
}
