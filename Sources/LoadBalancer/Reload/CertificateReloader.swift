import EventLoop
package import Logging
import ProcessSupport
import Sockets
import Synchronization
package import TCPProxy
import TLS

/// Reloader of the certificates, keys and authorities of a running proxy, which are read again when their files change.
///
/// Files that cannot be used change nothing. Connections keep the certificates they began with.
public final class CertificateReloader: Sendable {
    private struct State {
        var sources: TLSSources
        /// The versions of the files that were read last.
        var read: FileVersions
        /// Versions that differ from those, and are read when they are the same at the next check: a renewal replaces the
        /// chain and the key one after the other.
        var changed: FileVersions?
        /// When a warning about a certificate was logged last, in seconds since 1970.
        var warned: [Certificate: Int64] = [:]
    }

    private struct Certificate: Hashable {
        var listener: String
        var name: String
    }

    private let proxy: Proxy
    private let logger: Logger
    private let now: @Sendable () -> Int64
    /// Held while files are read and applied.
    let turn = AsyncSemaphore(1)
    private let state: Mutex<State>

    /// The interval between two warnings about a certificate that expires, in seconds.
    static let warningInterval: Int64 = 86_400
    /// The interval at which the ends of certificates are checked if files are not.
    static let expiryInterval: Duration = .seconds(3600)

    /// - Parameters:
    ///   - sources: the settings that the proxy uses, as they were read. Warnings about them have been logged.
    ///   - proxy: the running proxy.
    ///   - logger: receives what is replaced, and what cannot be used.
    package init(_ sources: TLSSources, proxy: Proxy, logger: Logger) {
        self.proxy = proxy
        self.logger = logger
        now = sources.context.now
        var first = State(sources: sources, read: sources.versions())
        for certificate in Self.expiring(proxy, at: now()) { first.warned[certificate.key] = now() }
        state = Mutex(first)
    }

    /// Whether there are any files to check.
    package var isUseful: Bool { state.withLock { !$0.sources.isEmpty } }

    /// What is in use.
    var loaded: LoadedTLS { state.withLock(\.sources.loaded) }

    /// Uses the settings of another configuration, as they were read, from now on. The caller holds ``turn``.
    func use(_ sources: TLSSources) {
        let versions = sources.versions()
        state.withLock { state in
            (state.sources, state.read, state.changed) = (sources, versions, nil)
        }
    }

    /// Checks the files and the ends of the certificates until the task is canceled.
    ///
    /// - Parameter interval: the time between two checks; nil checks only the ends.
    package func run(every interval: Duration?) async {
        while (try? await Task.sleep(for: interval ?? Self.expiryInterval)) != nil {
            if interval != nil { await check() }
            warn()
        }
    }

    /// Reads the files if they have changed and are the same as at the check before.
    func check() async {
        await turn.acquire()
        defer { turn.release() }
        let (sources, read, changed) = state.withLock { ($0.sources, $0.read, $0.changed) }
        guard let versions = await onThread({ sources.versions(after: read) }) else { return }
        report(denied: versions.denied.subtracting(read.denied))
        state.withLock { $0.read.denied = versions.denied }
        let isOutOfDate = sources.stapleEnd.map { $0 <= now() } ?? false
        if versions == read, !isOutOfDate { return state.withLock { $0.changed = nil } }
        guard versions == changed || versions == read else { return state.withLock { $0.changed = versions } }
        await readFiles(of: sources, versions)
    }

    /// Logs the files that are not checked.
    private func report(denied paths: Set<String>) {
        for path in paths.sorted() {
            logger.warning("\(path) is not checked for changes: permission denied: let the user of the process read it")
        }
    }

    /// Reads the files now.
    ///
    /// - Returns: whether they can be used.
    @discardableResult
    package func reload() async -> Bool {
        await turn.acquire()
        defer { turn.release() }
        let sources = state.withLock(\.sources)
        guard let versions = await onThread({ sources.versions() }) else { return false }
        return await readFiles(of: sources, versions)
    }

    @discardableResult
    private func readFiles(of sources: TLSSources, _ versions: FileVersions) async -> Bool {
        state.withLock { state in
            state.read = versions
            state.changed = nil
        }
        let time = now()
        guard let result = await onThread({ ReadResult(sources, at: time) }) else { return false }
        for warning in result.warnings { logger.warning("\(warning)") }
        guard let tls = result.tls else { return failed(result.errors) }
        do throws(ProxyError) {
            guard tls != sources.loaded else { return true }
            let change = try await proxy.change(listenerTLS: tls.listeners, poolTLS: tls.pools)
            state.withLock { $0.sources.loaded = tls }
            proxy.countCertificateReload(succeeded: true)
            logger.notice(
                "Certificates reloaded",
                metadata: ["connections": .stringConvertible(change.connectionsAffected)]
            )
            warn()
            return true
        } catch {
            return failed(["\(error)"])
        }
    }

    private func failed(_ errors: [String]) -> Bool {
        proxy.countCertificateReload(succeeded: false)
        for error in errors { logger.error("\(error)") }
        logger.error("Certificates not replaced: the previous ones stay in use until their files change again")
        return false
    }

    /// The result of reading the files.
    private struct ReadResult: Sendable {
        var tls: LoadedTLS?
        var warnings: [String] = []
        var errors: [String] = []

        init(_ sources: TLSSources, at now: Int64) {
            do {
                let tls = try sources.load(&warnings)
                errors = CertificateWarnings.newlyInvalid(in: tls, after: sources.loaded, at: now)
                if errors.isEmpty { self.tls = tls }
            } catch {
                errors = ["\(error)"]
            }
        }
    }

    /// Reading may block for as long as the file system does, which must not delay the end of the process.
    private func onThread<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value? {
        await abandoning { try? await WorkerThread.run(name: "certificates", body) } ?? nil
    }

    // MARK: Expiry

    /// Logs a warning about each certificate that is not valid or expires soon, once a day.
    func warn() {
        let time = now()
        let expiring = Self.expiring(proxy, at: time)
        let due = state.withLock { state in
            state.warned = state.warned.filter { key, _ in expiring.contains { $0.key == key } }
            let due = expiring.filter { time - (state.warned[$0.key] ?? .min / 2) >= Self.warningInterval }
            for certificate in due { state.warned[certificate.key] = time }
            return due
        }
        for certificate in due {
            logger.warning("\(certificate.line)", metadata: ["listener": "\(certificate.key.listener)"])
        }
    }

    private static func expiring(_ proxy: Proxy, at now: Int64) -> [(key: Certificate, line: String)] {
        proxy.certificateSnapshots().compactMap { certificate in
            CertificateWarnings.expiry(of: certificate.name, certificate.info, at: now).map { line in
                (Certificate(listener: certificate.listener, name: certificate.name), line)
            }
        }
    }
}
