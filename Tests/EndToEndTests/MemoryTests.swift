import Foundation
import Support
import Testing

@Suite("Memory per connection", .ownThreads, .timeLimit(.minutes(3)))
struct MemoryTests {
    init() throws { try raiseDescriptorLimit() }

    @Test("An idle connection takes at most 512 bytes", .eachEngine)
    func atRest() async throws {
        let count = 3_000
        try await withProxy(to: TestListener(), ["--threads", "2", "--summary", "off"]) { proxy, upstream in
            try warmUp(proxy, upstream)
            let before = try proxy.process.residentMemory
            var pairs: [RelayedPair] = []
            for _ in 0..<count { pairs.append(try RelayedPair(through: proxy, to: upstream)) }
            for pair in pairs { try pair.exchange() }
            let taken = try proxy.process.residentMemory - before
            #expect(taken / count <= 512, "\(taken / count) bytes per connection")
        }
    }

    @Test(
        "A connection with a stalled reader takes at most 32 KiB, and all of it is released",
        .eachEngine,
        arguments: Direction.allCases
    )
    func stalledReaders(_ direction: Direction) async throws {
        let count = 50
        let pattern = Pattern(seed: 31)
        try await withProxy(to: TestListener(receiveBuffer: 16_384), ["--threads", "2", "--summary", "off"]) {
            proxy,
            upstream in
            try warmUp(proxy, upstream)
            let before = try proxy.process.residentMemory
            var afterEach: [Int] = []
            for round in 1...2 {
                var pairs: [RelayedPair] = []
                for _ in 0..<count {
                    pairs.append(try RelayedPair(through: proxy, to: upstream, clientReceiveBuffer: 16_384))
                }
                let sent = try await sendUntilStuck(pairs.map { $0.sender(direction) }, pattern)
                let taken = try proxy.process.residentMemory - before
                // 32 KiB of buffer per stalled connection; the 512 bytes are the memory of an idle connection.
                #expect(taken / count <= 32 << 10 + 512, "\(taken / count) bytes per connection, in round \(round)")

                // The other direction is not affected.
                for pair in pairs {
                    try pair.receiver(direction).send("still here")
                    try pair.sender(direction).receive("still here")
                }
                // Closed windows reopen slowly, so all of them at the same time.
                try await withThrowingDiscardingTaskGroup { group in
                    for (pair, count) in zip(pairs, sent) {
                        group.addTask {
                            try pair.sender(direction).finish()
                            let received = try pair.receiver(direction).receiveRest(of: pattern)
                            #expect(received == (count, .fin))
                            pair.client.close()
                            pair.server.close()
                        }
                    }
                }
                try await proxy.allDescriptorsReturn()
                afterEach.append(try proxy.process.residentMemory - before)
            }
            // Each of the two workers keeps 16 chunks of 32 KiB for the next stalled connections.
            #expect(afterEach.max()! <= 2 * 16 * (32 << 10) + 64 << 10, "\(afterEach)")
        }
    }

    /// Ensures that whatever the first connections allocate permanently exists before the measurement.
    private func warmUp(_ proxy: RunningProxy, _ upstream: TestListener) throws {
        for _ in 0..<32 {
            let first = try RelayedPair(through: proxy, to: upstream)
            try first.exchange()
            first.client.close()
            #expect(try first.server.receiveRest().end == .fin)
        }
    }
}

/// Like the other ``withProxy(on:to:_:metrics:under:at:_:)``, and also passes the listener to `body`.
private func withProxy(
    to upstream: TestListener,
    _ options: [String],
    _ body: (RunningProxy, TestListener) async throws -> Void
) async throws {
    try await withProxy(to: upstream, options) { proxy in try await body(proxy, upstream) }
}

extension ProcessView {
    /// Resident private memory in bytes, counted page by page: `Anonymous` in smaps_rollup (proc(5)). The sums in
    /// /proc/PID/status lag behind.
    fileprivate var residentMemory: Int {
        get throws {
            let lines = try textOfSystemFile("/proc/\(processID)/smaps_rollup").split(separator: "\n")
            let line = try #require(lines.first { $0.hasPrefix("Anonymous:") })
            return try #require(line.split(separator: " ").dropFirst().first.flatMap { Int($0) }) * 1024
        }
    }
}
