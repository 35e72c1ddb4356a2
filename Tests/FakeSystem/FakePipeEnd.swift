import Sockets

/// One end of a pipe.
final class FakePipeEnd: FakeFile {
    private final class Contents {
        let capacity: Int
        var bytes = ByteQueue()
        var openEnds = 2

        init(capacity: Int) {
            self.capacity = capacity
        }
    }

    private let contents: Contents

    private init(_ contents: Contents) {
        self.contents = contents
    }

    var capacity: Int { contents.capacity }

    static func makePair(capacity: Int) -> (input: FakePipeEnd, output: FakePipeEnd) {
        let contents = Contents(capacity: capacity)
        return (FakePipeEnd(contents), FakePipeEnd(contents))
    }

    func fill(from socket: FakeSocket, atMost count: Int) -> IOResult {
        let room = contents.capacity - contents.bytes.count
        guard room > 0 else { return .wouldBlock }
        switch socket.receive(atMost: min(count, room)) {
        case .bytes(let bytes):
            contents.bytes.append(bytes)
            return .moved(bytes.count)
        case .ended: return .ended
        case .wouldBlock: return .wouldBlock
        case .failed(let error): return .failed(error)
        }
    }

    func drain(into socket: FakeSocket, atMost count: Int) -> IOResult {
        guard !contents.bytes.isEmpty else { return contents.openEnds < 2 ? .ended : .wouldBlock }
        do throws(SystemError) {
            let taken = try socket.send(contents.bytes.prefix(count))
            contents.bytes.removeFirst(taken)
            return taken > 0 ? .moved(taken) : .wouldBlock
        } catch {
            return .failed(error)
        }
    }

    func take(atMost count: Int) -> [UInt8] {
        contents.bytes.takeFirst(count)
    }

    func close() {
        contents.openEnds -= 1
    }
}
