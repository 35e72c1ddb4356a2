import Glibc
import Support
import Testing

@Suite("Peers cannot crash the proxy", .ownThreads, .eachEngine, .serialized, .timeLimit(.minutes(2)))
struct RobustnessTests {
    @Test("SIGPIPE is ignored")
    func brokenPipe() async throws {
        let upstream = try TestListener()
        try await withProxy(to: upstream) { proxy in
            try proxy.program.signal(SIGPIPE)
            try RelayedPair(through: proxy, to: upstream).exchange()
            try proxy.end()
        }
    }

    @Test("Writing to closed peers does no harm", arguments: Direction.allCases, [1, 2])
    func goneReaders(_ direction: Direction, threads: Int) async throws {
        let upstream = try TestListener()
        try await withProxy(to: upstream, ["--threads", "\(threads)"]) { proxy in
            let bytes = Array(repeating: UInt8(7), count: 256 << 10)
            for round in 0..<30 {
                let pair = try RelayedPair(through: proxy, to: upstream)
                _ = try pair.sender(direction).sendWithoutWaiting(bytes)
                if round.isMultiple(of: 2) { _ = try pair.receiver(direction).receive(upTo: 1000) }
                if round.isMultiple(of: 3) {
                    try pair.receiver(direction).reset()
                } else {
                    pair.receiver(direction).close()
                }
                // The sender gets an error eventually.
                try await eventually("end of the sender's connection") {
                    do {
                        _ = try pair.sender(direction).sendWithoutWaiting(bytes)
                        return false
                    } catch let failure as SystemFailure {
                        return failure.isEndOfConnection
                    }
                }
            }
            try await proxy.allDescriptorsReturn()
            try RelayedPair(through: proxy, to: upstream).exchange()
            try proxy.end()
        }
    }

    @Test("Short-lived clients do not disturb others", arguments: [1, 2])
    func churn(threads: Int) async throws {
        let pattern = Pattern(seed: 71)
        try await withProxy(to: "echo", ["--threads", "\(threads)"]) { proxy in
            let worker = try proxy.connect()
            async let echoed: Void = exchangeWithEcho(worker, pattern, count: 16 << 20)
            for round in 0..<500 {
                let client = try proxy.connect()
                if round % 2 == 0 { _ = try? client.sendWithoutWaiting([1, 2, 3]) }
                if round % 3 == 0 { try client.reset() } else { client.close() }
            }
            try await echoed
            worker.close()
            try await proxy.descriptorsReturn()
            try proxy.end()
        }
    }
}
