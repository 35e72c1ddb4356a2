import FakeSystem
import Relay
import Sockets
import Testing

/// Calls of the process in a fake world.
final class CallLog {
    private var calls: [FakeCall] = []

    init(of world: FakeWorld) {
        world.onCall = { [unowned self] in calls.append($0) }
    }

    /// Returns the calls since the last read.
    func take() -> [FakeCall] {
        defer { calls = [] }
        return calls
    }
}

extension FakeSystem {
    /// Opens a connection to a new server. Descriptors are numbered from 3.
    mutating func connect(toServer number: UInt32) -> Descriptor {
        let address = SocketAddress.internet(InternetAddress(v4: 0x0A00_0000 + number, port: 80))
        _ = world.serve(address)
        do throws(SystemError) {
            return try connect(to: RawAddress(address), from: nil, options: SocketOptions())
        } catch {
            preconditionFailure("no connection to a fake server: \(error)")
        }
    }
}

/// Expects that a direction or a duplex, which has been closed, holds no resource.
func expectNothingLeft(
    in world: FakeWorld,
    _ buffers: borrowing RelayBuffers,
    at location: SourceLocation = #_sourceLocation
) {
    let taken = buffers.chunks.taken
    #expect(taken == 0, sourceLocation: location)
    #expect(world.openDescriptors == [], sourceLocation: location)
    #expect(world.problems == [], sourceLocation: location)
}

extension FakeWorld {
    /// Returns the peer at the far end of a connection of the process.
    func connectedPeer(of descriptor: Int32) -> FakePeer {
        guard let peer = peer(of: descriptor) else { preconditionFailure("\(descriptor) is not connected") }
        return peer
    }
}

extension FakeCall {
    static func send(_ text: String, to descriptor: Int32) -> FakeCall {
        .send(Array(text.utf8), to: descriptor)
    }
}
