import Glibc
import Support
import Testing

@Suite("Accept back-off of the admin server")
struct AcceptBackoffTests {
    /// Runs in a separate process, since the descriptor limit is per process.
    @Test("without free descriptors, accepting pauses and resumes")
    func exhaustion() async {
        await #expect(processExitsWith: .success) {
            try await onOwnThreads {
                try await withServer { address in
                    // Open until the end, so that no descriptor is released in between.
                    let other = try TestSocket.connect(to: address)
                    try other.send("GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n")
                    #expect(try other.receiveResponse().status == 200)

                    let hoard = try Hoard(limit: 128)
                    hoard.give(1)
                    let client = try TestSocket.connect(to: address)
                    try client.send("GET /healthz HTTP/1.0\r\n\r\n")
                    #expect(processorTime(over: .milliseconds(500)) < .milliseconds(200))
                    #expect(try client.receiveWithoutWaiting() == nil)

                    hoard.give(10)
                    #expect(try client.receiveRest().text.hasPrefix("HTTP/1.1 200 OK\r\n"))
                    other.close()
                }
            }
        }
    }
}

/// All descriptors that the process may open, until they are released.
private final class Hoard {
    private var descriptors: [CInt] = []

    init(limit: rlim_t) throws {
        var limits = rlimit(rlim_cur: limit, rlim_max: limit)
        guard setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limits) == 0 else {
            throw SystemFailure("setrlimit")
        }
        while true {
            let descriptor = open("/dev/null", O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { break }
            descriptors.append(descriptor)
        }
    }

    func give(_ count: Int) {
        for descriptor in descriptors.suffix(count) { close(descriptor) }
        descriptors.removeLast(count)
    }
}

/// Returns the processor time that the process uses within a period.
private func processorTime(over period: Duration) -> Duration {
    let before = processorTime()
    // Blocks the thread: the first use of Task.sleep needs descriptors.
    usleep(UInt32(period / .microseconds(1)))
    return processorTime() - before
}

private func processorTime() -> Duration {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
}
