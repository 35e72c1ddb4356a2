import CLinux
import EventLoop
import Glibc
import Sockets
import Synchronization
import Testing

@Suite("Parked threads and refused threads")
struct ParkedThreadTests {
    @Test("a thread that the system refuses is an error")
    func refused() async {
        await #expect(processExitsWith: .success) {
            // The limit does not apply to root.
            if getuid() == 0 { precondition(setuid(54_321) == 0) }
            var limit = rlimit(rlim_cur: 1, rlim_max: 1)
            setrlimit(__rlimit_resource_t(__RLIMIT_NPROC.rawValue), &limit)
            var errors: [SystemError] = []
            do throws(SystemError) {
                _ = try WorkerThread.start(name: "test") {}
            } catch {
                errors.append(error)
            }
            do throws(SystemError) {
                _ = try ParkedThread(name: "test")
            } catch {
                errors.append(error)
            }
            exit(errors == [SystemError(code: EAGAIN), SystemError(code: EAGAIN)] ? 0 : 1)
        }
    }

    @Test("a parked thread does its work once it has some")
    func parked() async throws {
        let done = Atomic(0)
        let thread = try ParkedThread(name: "test")
        #expect(done.load(ordering: .relaxed) == 0)
        let running = thread.start { done.add(1, ordering: .relaxed) }
        await running.join()
        #expect(done.load(ordering: .relaxed) == 1)
    }

    @Test("a parked thread without work ends with its owner")
    func unused() throws {
        for _ in 0..<100 { _ = try ParkedThread(name: "test") }
    }
}
