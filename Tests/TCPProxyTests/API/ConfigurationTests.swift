import Foundation
import Glibc
import ProcessSupport
import Relay
import Sockets
import Support
import Testing

@testable import TCPProxy

@Suite("Configuration")
struct ConfigurationTests {
    /// Returns the validation error of the changed defaults; nil if they are valid.
    private func error(_ change: (inout SingleListenerSettings) -> Void) -> ProxyError? {
        var settings = SingleListenerSettings()
        change(&settings)
        do throws(ProxyError) {
            try settings.process.check()
            try settings.listener.check()
            return nil
        } catch {
            return error
        }
    }

    @Test("the defaults are valid")
    func defaults() {
        #expect(error { _ in } == nil)
        #expect((1...256).contains(ProxyConfiguration().threads))
    }

    @Test("the limits of each range are accepted")
    func bounds() {
        #expect(error { $0.threads = 1 } == nil)
        #expect(error { $0.threads = 64 } == nil)
        #expect(error { $0.backlog = 1 } == nil)
        #expect(error { $0.backlog = 65_535 } == nil)
        #expect(error { $0.maxConnections = 1 } == nil)
        #expect(error { $0.maxConnections = 1_000_000 } == nil)
        #expect(error { $0.maxPipes = 0 } == nil)
        #expect(error { $0.maxPipes = 4096 } == nil)
        #expect(error { $0.timeouts.idle = .milliseconds(1) } == nil)
        #expect(error { $0.keepAlive = nil } == nil)
        #expect(error { $0.resolveInterval = nil } == nil)
    }

    @Test("an error names the setting, its value and its range")
    func numbers() throws {
        #expect(error { $0.threads = 0 } == .badSetting(name: "threads", value: "0", allowed: "1 to 256"))
        #expect(error { $0.threads = 257 } == .badSetting(name: "threads", value: "257", allowed: "1 to 256"))
        #expect(error { $0.backlog = 0 } == .badSetting(name: "backlog", value: "0", allowed: "1 to 65535"))
        #expect(error { $0.backlog = 65_536 } == .badSetting(name: "backlog", value: "65536", allowed: "1 to 65535"))
        for wrong in [0, -1, 1_000_001] {
            #expect(
                error { $0.maxConnections = wrong }
                    == .badSetting(name: "max-connections", value: "\(wrong)", allowed: "1 to 1000000")
            )
        }
        for wrong in [-1, 4097] {
            #expect(
                error { $0.maxPipes = wrong }
                    == .badSetting(name: "max-pipes", value: "\(wrong)", allowed: "0 to 4096")
            )
        }
        let text = try #require(error { $0.threads = 0 }).description
        #expect(text == "invalid threads '0': must be 1 to 256")
    }

    @Test(
        "a duration out of range is an error that names the setting and its range",
        arguments: [
            ("connect-timeout", "1ms to 8760h, or off"), ("connect-deadline", "1ms to 8760h, or off"),
            ("idle-timeout", "1ms to 8760h, or off"), ("half-close-timeout", "1ms to 8760h, or off"),
            ("lifetime", "1ms to 8760h, or off"), ("tcp-user-timeout", "1ms to 596h, or off"),
            ("keepalive", "1s to 32767s, in whole seconds, or off"), ("resolve-interval", "1ms to 8760h, or off"),
            ("grace", "0s to 8760h"),
        ]
    )
    func durations(name: String, allowed: String) {
        for wrong in [Duration.seconds(-1), .seconds(366 * 24 * 3600)] + (name == "grace" ? [] : [.zero]) {
            let error = error { configuration in
                switch name {
                case "connect-timeout": configuration.timeouts.connectAttempt = wrong
                case "connect-deadline": configuration.timeouts.connect = wrong
                case "idle-timeout": configuration.timeouts.idle = wrong
                case "half-close-timeout": configuration.timeouts.halfClose = wrong
                case "lifetime": configuration.timeouts.lifetime = wrong
                case "tcp-user-timeout": configuration.timeouts.user = wrong
                case "keepalive": configuration.keepAlive = KeepAlive(interval: wrong)
                case "grace": configuration.grace = wrong
                default: configuration.resolveInterval = wrong
                }
            }
            #expect(error == .badSetting(name: name, value: "\(wrong)", allowed: allowed))
        }
    }

    @Test("more connections than the descriptor limit allows are an error with both numbers")
    func connectionLimit() throws {
        try raiseDescriptorLimit()
        let limit = DescriptorLimit.current
        var configuration = ProxyConfiguration()
        configuration.maxConnections = limit
        do throws(ProxyError) {
            _ = try configuration.connectionLimit()
            Issue.record("accepted \(limit) connections under a limit of \(limit) descriptors")
        } catch {
            guard case .descriptorLimit(limit, let wanted, limit) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(wanted > 2 * limit)
            #expect(error.description.contains("ulimit -n"))
        }
    }

    @Test("the default maximum uses two descriptors per connection within the limit")
    func defaultLimit() throws {
        try raiseDescriptorLimit()
        let limit = try ProxyConfiguration().connectionLimit()
        #expect(limit > 0)
        #expect(2 * limit < DescriptorLimit.current)
        var configuration = ProxyConfiguration()
        configuration.maxConnections = 10
        #expect(try configuration.connectionLimit() == 10)
    }

    @Test("pipes default to a share of the descriptors, and are not used by the copy engine")
    func pipes() {
        var configuration = ProxyConfiguration()
        configuration.threads = 2
        #expect(configuration.pipesPerWorker(descriptorLimit: 1_000_000) <= 64)
        #expect(configuration.pipesPerWorker(descriptorLimit: 320) <= 10)
        #expect(configuration.pipesPerWorker(descriptorLimit: 10) == 0)
        configuration.maxPipes = 7
        #expect(configuration.pipesPerWorker(descriptorLimit: 10) == 7)
        configuration.engine = .copy
        #expect(configuration.pipesPerWorker(descriptorLimit: 1_000_000) == 0)
    }

    @Test("pipes of a process that will drop its privileges are limited as those of its later user")
    func pipesOfUser() throws {
        let limit = try String(contentsOfFile: "/proc/sys/fs/pipe-user-pages-soft", encoding: .utf8)
        let pages = try #require(Int(limit.trimmingCharacters(in: .whitespacesAndNewlines)))
        var configuration = ProxyConfiguration()
        configuration.dropsPrivileges = true
        for threads in [1, 16, 256] {
            configuration.threads = threads
            let expected = pages == 0 ? 64 : min(64, pages / 256 / threads)
            #expect(configuration.pipesPerWorker(descriptorLimit: 10_000_000) == expected)
        }
    }

    @Test("a non-local source address is rejected")
    func sources() throws {
        var listener = SingleListenerSettings().listener
        let address = try #require(InternetAddress(host: "192.0.2.1", port: 0))
        listener.sourceAddresses = [address]
        #expect(throws: ProxyError.badSource(SourceAddressError(address, .addressNotAvailable))) {
            try listener.check()
        }
        listener.sourceAddresses = [try #require(InternetAddress(host: "127.0.0.1", port: 99))]
        #expect(throws: Never.self) { try listener.check() }
    }
}

@Suite("Connect failures")
struct ConnectFailureTests {
    @Test(
        "each error maps to its cause",
        arguments: [
            (ECONNREFUSED, .refused), (ENOENT, .refused), (ETIMEDOUT, .timeout), (ENETUNREACH, .unreachable),
            (EHOSTUNREACH, .unreachable), (ENETDOWN, .unreachable), (EHOSTDOWN, .unreachable), (EMFILE, .exhausted),
            (ENFILE, .exhausted), (ENOBUFS, .exhausted), (ENOMEM, .exhausted), (EAGAIN, .exhausted),
            (EADDRNOTAVAIL, .exhausted), (EACCES, .other), (EPERM, .other), (EINVAL, .other),
        ] as [(Int32, ConnectFailure)]
    )
    func causes(code: Int32, cause: ConnectFailure) {
        #expect(ConnectFailure(SystemError(code: code)) == cause)
    }
}

@Suite("Counters")
struct CounterTests {
    @Test("each counter has its own index on the page")
    func indices() {
        var indices: [Int] = [
            Counter.bytesUpstream, .bytesDownstream, .refused, .discardedUpstream, .discardedDownstream,
            .eventsDropped, .connectNanoseconds, .splicedUpstream, .splicedDownstream, .pipesInUse,
            .pipeAllocationFailures, .memoryAllocationFailures,
            .recordsDropped,
        ].map(\.index)
        indices += AcceptPause.allCases.map { Counter.pause($0).index }
        indices += ConnectFailure.allCases.map { Counter.failure($0).index }
        for reason in CloseReason.allCases {
            indices += CloseInitiator.allCases.map { Counter.closure(reason, $0).index }
        }
        indices += (0...DurationHistogram.bounds.count).map { Counter.connectTime(bucket: $0).index }
        indices += DenyReason.allCases.map { Counter.denied($0).index }
        indices += DenyReason.limits.map { Counter.dryRun($0).index }
        #expect(Set(indices).count == indices.count)
        #expect(indices.allSatisfy { (0..<Counter.count).contains($0) })
        #expect(Counter.count * MemoryLayout<Int>.stride <= 4096)
    }

    @Test("each counter of a server, and of a listener, has its own index in its row")
    func rows() {
        var server: [Int] = [ServerMetric.bytesUpstream, .bytesDownstream, .connected, .connectNanoseconds].map(\.index)
        server += ConnectFailure.allCases.map { ServerMetric.failure($0).index }
        for reason in CloseReason.allCases {
            server += CloseInitiator.allCases.map { ServerMetric.closure(reason, $0).index }
        }
        server += (0...DurationHistogram.bounds.count).map { ServerMetric.connectTime(bucket: $0).index }
        #expect(Set(server).count == server.count)
        #expect(server.allSatisfy { (0..<ServerMetric.count).contains($0) })
        var listener: [Int] = [
            ListenerMetric.opened, .closed, .bytesUpstream, .bytesDownstream, .refused, .open,
        ].map(\.index)
        listener += DenyReason.allCases.map { ListenerMetric.denied($0).index }
        listener += DenyReason.limits.map { ListenerMetric.dryRun($0).index }
        #expect(Set(listener).count == listener.count)
        #expect(listener.allSatisfy { (0..<ListenerMetric.count).contains($0) })
    }
}
