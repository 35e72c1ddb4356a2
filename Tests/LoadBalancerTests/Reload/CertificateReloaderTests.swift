import Foundation
import Logging
import Sockets
import Support
import Synchronization
import Testing

@testable import LoadBalancer
@testable import TCPProxy

@Suite("Certificates while the proxy runs", .needsTLS, .ownThreads, .timeLimit(.minutes(1)))
struct CertificateReloaderTests {
    /// A proxy with one listener, whose certificate is in `web.pem` and `web.key`, or in the folder `all`.
    private final class Running: Sendable {
        let folder: String
        let proxy: Proxy
        let reloader: ConfigurationReloader
        let log: Log
        private let time: Clock

        init(folder: String, proxy: Proxy, reloader: ConfigurationReloader, log: Log, time: Clock) {
            self.folder = folder
            self.proxy = proxy
            self.reloader = reloader
            self.log = log
            self.time = time
        }

        var certificates: CertificateReloader { reloader.certificates }
        var names: [String] { proxy.certificateSnapshots().flatMap(\.info.names) }
        var counts: [Int] {
            let snapshot = proxy.snapshot()
            return [snapshot.certificateReloads, snapshot.failedCertificateReloads]
        }

        func write(_ bytes: [UInt8], to name: String) throws {
            try Data(bytes).write(to: URL(fileURLWithPath: folder + "/" + name), options: .atomic)
        }

        func advance(days: Int64) { time.seconds.withLock { $0 += days * 86_400 } }

        /// Finds a change, and that it is complete.
        func checkTwice() async {
            await certificates.check()
            await certificates.check()
        }
    }

    private final class Clock: Sendable {
        let seconds = Mutex<Int64>(Int64(Date().timeIntervalSince1970))
    }

    private func withProxy(
        certificates: String = "[{certificate: web.pem, key: web.key}]",
        _ prepare: (String) throws -> Void,
        _ body: (Running) async throws -> Void
    ) async throws {
        try await withScratchFolder { folder in
            try prepare(folder)
            let text = Array(
                """
                listeners:
                  a: {listen: "127.0.0.1:0", pool: p, tls: {certificates: \(certificates)}}
                pools:
                  p: {servers: ["127.0.0.1:1001"]}
                """.utf8
            )
            let (log, time) = (Log(), Clock())
            var context = ConfigurationFile.Context(of: folder + "/monkey.yaml")
            context.now = { time.seconds.withLock(\.self) }
            let file = try ConfigurationFile(parsing: text, in: context)
            let resolved = try await file.resolved()
            var configuration = file.process
            configuration.threads = 1
            configuration.maxConnections = 10
            let proxy = try await Proxy.bind(
                listeners: file.listenerConfigurations,
                pools: resolved.pools,
                configuration: configuration
            )
            let reloader = ConfigurationReloader(
                file,
                resolved: resolved,
                named: "test.yaml",
                proxy: proxy,
                poolController: PoolController(proxy, settings: resolved.settings, logger: log.logger),
                logger: log.logger,
                context: context
            ) { text }
            async let ended: Void = proxy.run()
            let result: Result<Void, any Error>
            do {
                result = .success(
                    try await body(Running(folder: folder, proxy: proxy, reloader: reloader, log: log, time: time))
                )
            } catch {
                result = .failure(error)
            }
            await proxy.shutdown(grace: .zero)
            try await ended
            try result.get()
        }
    }

    private static func write(_ name: String, to folder: String, named file: String = "web") throws {
        let certificate = try TLSCertificate.selfSigned(name: name, isAddress: false)
        try Data(certificate.chain.bytes).write(to: URL(fileURLWithPath: "\(folder)/\(file).pem"), options: .atomic)
        try Data(certificate.key.withUnsafeBytes { Array($0) })
            .write(to: URL(fileURLWithPath: "\(folder)/\(file).key"), options: .atomic)
    }

    @Test("a changed pair is used when it has been the same at two checks")
    func change() async throws {
        try await withProxy {
            try Self.write("first.test", to: $0)
        } _: { running in
            #expect(running.names == ["first.test"])
            await running.checkTwice()
            #expect(running.counts == [0, 0])
            try Self.write("second.test", to: running.folder)
            await running.certificates.check()
            #expect(running.names == ["first.test"])
            await running.certificates.check()
            #expect(running.names == ["second.test"])
            #expect(running.counts == [1, 0])
            // The configuration counts as unchanged.
            #expect(await running.reloader.reload() == .applied(changes: [], connectionsAffected: 0))
        }
    }

    @Test("a pair that does not match changes nothing, is logged once, and is read again after the next change")
    func mismatch() async throws {
        try await withProxy {
            try Self.write("first.test", to: $0)
        } _: { running in
            let next = try TLSCertificate.selfSigned(name: "second.test", isAddress: false)
            try running.write(next.chain.bytes, to: "web.pem")
            await running.checkTwice()
            await running.checkTwice()
            #expect(running.names == ["first.test"])
            #expect(running.counts == [0, 1])
            #expect(running.log.lines.filter { $0.contains("does not belong to the certificate") }.count == 1)
            try running.write(next.key.withUnsafeBytes { Array($0) }, to: "web.key")
            await running.checkTwice()
            #expect(running.names == ["second.test"])
            #expect(running.counts == [1, 1])
        }
    }

    @Test("a file that is missing changes nothing")
    func missing() async throws {
        try await withProxy {
            try Self.write("first.test", to: $0)
        } _: { running in
            try FileManager.default.removeItem(atPath: running.folder + "/web.key")
            await running.checkTwice()
            #expect(running.names == ["first.test"])
            #expect(running.counts == [0, 1])
        }
    }

    @Test("a certificate that is not valid yet or any more changes nothing, unless it is in use already")
    func validity() async throws {
        try await withProxy {
            try Self.write("first.test", to: $0)
        } _: { running in
            running.advance(days: Int64(TLSCertificate.selfSignedDays) + 1)
            // Made at the present time of the system, so it has expired at the reloader's.
            try Self.write("second.test", to: running.folder)
            await running.checkTwice()
            #expect(running.names == ["first.test"])
            #expect(running.counts == [0, 1])
            #expect(running.log.lines.contains { $0.contains("listener a: certificate web.pem expired on 20") })
            guard case .rejected(let errors) = await running.reloader.reload() else {
                Issue.record("the reload used it")
                return
            }
            #expect(errors.count == 1 && errors[0].hasPrefix("test.yaml: listener a: certificate web.pem expired on"))
        }
        try await withProxy {
            try Self.write("first.test", to: $0)
        } _: { running in
            running.advance(days: Int64(TLSCertificate.selfSignedDays) + 1)
            #expect(await running.reloader.reload() == .applied(changes: [], connectionsAffected: 0))
        }
    }

    @Test("a warning is logged from 14 days before the end of a certificate on, once a day")
    func expiry() async throws {
        try await withProxy {
            try Self.write("first.test", to: $0)
        } _: { running in
            let days = Int64(TLSCertificate.selfSignedDays)
            func warnings() -> [String] { running.log.lines.filter { $0.contains("certificate web.pem") } }
            running.advance(days: days - 15)
            running.certificates.warn()
            #expect(warnings().isEmpty)
            running.advance(days: 2)
            running.certificates.warn()
            running.certificates.warn()
            #expect(warnings().count == 1)
            #expect(warnings().allSatisfy { $0.hasPrefix("warning: certificate web.pem expires on 20") })
            running.advance(days: 1)
            running.certificates.warn()
            #expect(warnings().count == 2)
            running.advance(days: 14)
            running.certificates.warn()
            #expect(warnings().last?.contains("expired on") == true)
        }
    }

    @Test("pairs in a folder are used, also those that are added")
    func folder() async throws {
        try await withProxy(certificates: "all") { folder in
            let all = folder + "/all"
            try FileManager.default.createDirectory(atPath: all, withIntermediateDirectories: false)
            try Self.write("a.test", to: all, named: "a")
            // The chain and the key in one file.
            let combined = try TLSCertificate.selfSigned(name: "b.test", isAddress: false)
            try Data(combined.key.withUnsafeBytes { Array($0) } + combined.chain.bytes)
                .write(to: URL(fileURLWithPath: all + "/b.pem"))
            try Data("text".utf8).write(to: URL(fileURLWithPath: all + "/README"))
        } _: { running in
            #expect(running.names == ["a.test", "b.test"])
            #expect(running.proxy.certificateSnapshots().map(\.name) == ["all/a.pem", "all/b.pem"])
            try Self.write("c.test", to: running.folder + "/all", named: "c")
            await running.checkTwice()
            #expect(running.names == ["a.test", "b.test", "c.test"])
        }
    }

    @Test("unchanged certificates are not prepared again")
    func preparation() async throws {
        try await withProxy {
            try Self.write("first.test", to: $0)
        } _: { running in
            func context() throws -> ObjectIdentifier {
                ObjectIdentifier(try #require(running.proxy.core.listeners.tls["a"]).contexts[0])
            }
            let before = try context()
            _ = await running.reloader.reload()
            #expect(try context() == before)
            try Self.write("second.test", to: running.folder)
            await running.checkTwice()
            #expect(try context() != before)
        }
    }
}

/// Log lines with their levels.
private final class Log: Sendable {
    private let recorded = Mutex<[String]>([])

    var lines: [String] { recorded.withLock(\.self) }

    var logger: Logger { Logger(label: "test") { _ in Handler(log: self) } }

    private struct Handler: LogHandler {
        let log: Log
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            log.recorded.withLock { $0.append("\(event.level): \(event.message)") }
        }
    }
}
