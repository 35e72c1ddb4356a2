import ProcessSupport
import Support
import Testing

@Suite("ServiceManager")
struct ServiceManagerTests {
    @Test("without NOTIFY_SOCKET, or with one that is neither a path nor an abstract name, there is no service manager")
    func noSocket() {
        #expect(serviceManager([:]) == nil)
        #expect(serviceManager(["NOTIFY_SOCKET": ""]) == nil)
        #expect(serviceManager(["NOTIFY_SOCKET": "/"]) == nil)
        #expect(serviceManager(["NOTIFY_SOCKET": "relative/path"]) == nil)
        #expect(serviceManager(["NOTIFY_SOCKET": "/" + String(repeating: "x", count: 200)]) == nil)
        #expect(serviceManager(["NOTIFY_SOCKET": "/run/notify"])?.address == "/run/notify")
    }

    @Test("the watchdog interval is half of WATCHDOG_USEC, and only that of this process")
    func watchdog() {
        func interval(_ values: [String: String]) -> Duration? {
            serviceManager(["NOTIFY_SOCKET": "/run/notify"].merging(values) { $1 })?.watchdogInterval
        }
        #expect(interval([:]) == nil)
        #expect(interval(["WATCHDOG_USEC": "10000000"]) == .seconds(5))
        #expect(interval(["WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "42"]) == .seconds(5))
        #expect(interval(["WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "43"]) == nil)
        #expect(interval(["WATCHDOG_USEC": "soon"]) == nil)
        #expect(interval(["WATCHDOG_USEC": "-5"]) == nil)
    }

    @Test("notifications arrive as one datagram, on a path and on an abstract name", arguments: [false, true])
    func datagram(isAbstract: Bool) throws {
        let receiver = try DatagramReceiver(isAbstract: isAbstract)
        let manager = try #require(serviceManager(["NOTIFY_SOCKET": receiver.address]))
        manager.notify(.ready, .status("3 connections\nREADY=0"))
        #expect(try receiver.receive() == "READY=1\nSTATUS=3 connections")
        manager.notify(.reloading(monotonicNanoseconds: 5_000_999))
        #expect(try receiver.receive() == "RELOADING=1\nMONOTONIC_USEC=5000")
        manager.notify(.stopping)
        #expect(try receiver.receive() == "STOPPING=1")
    }

    @Test("a notification without a receiver has no effect")
    func noReceiver() throws {
        let manager = try #require(serviceManager(["NOTIFY_SOCKET": "/nonexistent/notify"]))
        manager.notify(.watchdog)
    }

    private func serviceManager(_ environment: [String: String]) -> ServiceManager? {
        ServiceManager(environment: { environment[$0] }, process: 42)
    }
}
