import Sockets
import Testing

@testable import Relay

@Suite("Sustained stream")
struct SustainedStreamTests {
    private let policy = BatchingPolicy()
    private let mebibyte = 1 << 20

    private func at(_ microseconds: Int) -> Instant {
        Instant(nanoseconds: 10_000_000_000 + UInt64(microseconds) * 1000)
    }

    /// Moves 1 MiB every 0.5 ms.
    private func stream(_ stream: inout SustainedStream, from start: Int, mebibytes: Int) -> Bool {
        var mayBatch = false
        for index in 0..<mebibytes { mayBatch = stream.moved(mebibyte, at: at(start + index * 500), policy) }
        return mayBatch
    }

    @Test("the delay added by batching is below 1% of the stream's duration")
    func bound() {
        let tick: UInt64 = 1_000_000
        #expect((policy.delay + tick) * 100 <= policy.minimumDuration)
        #expect(policy.minimumKiB == 16 << 10)
        #expect(policy.maxPause == 1_000_000)
    }

    @Test("neither a large burst nor a slow stream is batched")
    func both() {
        var fast = SustainedStream()
        var slow = SustainedStream()
        var mayBatch = false
        for index in 0..<400 {
            mayBatch = fast.moved(mebibyte, at: at(index * 100), policy) || mayBatch
            mayBatch = slow.moved(1024, at: at(index * 900), policy) || mayBatch
        }
        #expect(!mayBatch)
    }

    @Test("a stream without pauses is batched after its minimum duration and bytes")
    func sustained() {
        var sustained = SustainedStream()
        let early = stream(&sustained, from: 0, mebibytes: 500)
        let later = sustained.moved(mebibyte, at: at(250_000), policy)
        #expect(!early && later)
    }

    @Test("a pause restarts the count")
    func pause() {
        var paused = SustainedStream()
        let before = stream(&paused, from: 0, mebibytes: 600)
        let after = paused.moved(1024, at: at(599 * 500 + 1001), policy)
        let later = stream(&paused, from: 301_000, mebibytes: 400)
        #expect(before && !after && !later)
    }

    @Test("bytes queued while the worker was busy do not count as a pause")
    func backlog() {
        var late = SustainedStream()
        let before = stream(&late, from: 0, mebibytes: 600)
        let after = late.moved(policy.backlog, at: at(600 * 500 + 5000), policy)
        let later = late.moved(policy.backlog - 1, at: at(600 * 500 + 10_000), policy)
        #expect(before && after && !later)
    }

    @Test("the delay of batching itself does not count as a pause")
    func delayIsNoPause() {
        var batching = SustainedStream()
        let before = stream(&batching, from: 0, mebibytes: 600)
        batching.isBatching = true
        let delayed = batching.moved(1024, at: at(599 * 500 + 2000), policy)
        let paused = batching.moved(1024, at: at(599 * 500 + 4001), policy)
        #expect(before && delayed && !paused)
    }

    @Test("each end of batching doubles the required bytes, up to a limit")
    func doublings() {
        var repeated = SustainedStream()
        for times in 0...Int(BatchingPolicy.maxDoublings) + 2 {
            if times > 0 { repeated.endBatching(at: at(0)) }
            repeated.beganAt = at(0)
            repeated.lastTransferAt = at(1_000_000)
            let needed = policy.minimumKiB << min(times, Int(BatchingPolicy.maxDoublings))
            repeated.movedKiB = UInt32(needed - 2)
            let early = repeated.moved(1024, at: at(1_000_000), policy)
            let enough = repeated.moved(1024, at: at(1_000_000), policy)
            #expect(!early && enough)
        }
    }

    @Test("a batch is the bytes of half the delay, within limits")
    func batchSize() {
        var stream = SustainedStream()
        stream.beganAt = at(0)
        stream.lastTransferAt = at(1_000_000)
        // 1 GiB/s.
        stream.movedKiB = 1 << 20
        #expect(stream.batchSize(policy) == 536_870)
        stream.movedKiB = 1 << 24
        #expect(stream.batchSize(policy) == BatchingPolicy.maxBatch)
        stream.movedKiB = 1 << 13
        #expect(stream.batchSize(policy) == 0)
    }
}
