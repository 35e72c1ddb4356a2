import TCPProxy
import TLS

/// The versions of files.
struct FileVersions: Sendable, Equatable {
    var known: [String: FileVersion] = [:]
    /// The files that this user may not access.
    var denied: Set<String> = []

    static func == (first: FileVersions, second: FileVersions) -> Bool { first.known == second.known }
}

/// The TLS settings of listeners and pools with the files that they name.
package struct TLSSources: Sendable {
    package var listeners: [String: ListenerTLSSection] = [:]
    package var pools: [String: PoolTLSSection] = [:]
    let context: ConfigurationFile.Context

    package init(
        listeners: [String: ListenerTLSSection] = [:],
        pools: [String: PoolTLSSection] = [:],
        in context: ConfigurationFile.Context = ConfigurationFile.Context()
    ) {
        self.listeners = listeners
        self.pools = pools
        self.context = context
    }

    /// The settings of a configuration file.
    init(_ file: ConfigurationFile, in context: ConfigurationFile.Context) {
        self.init(
            listeners: Dictionary(file.listeners.compactMap { entry in entry.tls.map { (entry.name, $0) } }) { $1 },
            pools: Dictionary(file.pools.compactMap { entry in entry.tls.map { (entry.name, $0) } }) { $1 },
            in: context
        )
    }

    /// Whether there is any TLS.
    var isEmpty: Bool { listeners.isEmpty && pools.isEmpty }

    /// What was read last.
    var loaded: LoadedTLS {
        get { LoadedTLS(listeners: listeners.compactMapValues(\.loaded), pools: pools.compactMapValues(\.loaded)) }
        set {
            for (name, tls) in newValue.listeners { listeners[name]?.loaded = tls }
            for (name, tls) in newValue.pools { pools[name]?.loaded = tls }
        }
    }

    /// Reads the versions of the files and folders. A file that is missing has none.
    ///
    /// - Parameter former: the versions of files that can no longer be accessed, because the process has changed its user:
    ///   they count as unchanged.
    func versions(after former: FileVersions = FileVersions()) -> FileVersions {
        var versions = FileVersions()
        // With the former ones, because a folder may no longer be readable, either.
        for path in paths.union(former.known.keys) {
            do throws(FileVersion.Failure) {
                versions.known[path] = try FileVersion(
                    of: ConfigurationFile.Context.path(path, from: context.folder)
                )
            } catch {
                guard error == .denied else { continue }
                versions.known[path] = former.known[path]
                versions.denied.insert(path)
            }
        }
        return versions
    }

    private var paths: Set<String> {
        var paths: Set<String> = []
        for section in listeners.values {
            for certificate in section.certificates {
                if let folder = certificate.folder { paths.insert(folder) }
                // A folder that cannot be read differs from one that can.
                for pair in (try? certificate.expanded(in: context)) ?? [] {
                    paths.formUnion([pair.certificate, pair.key, pair.ocsp].compactMap { $0 })
                }
            }
            paths.formUnion([section.clientCA, section.sessionTicketKeys].compactMap { $0 })
        }
        for section in pools.values {
            paths.formUnion([section.ca, section.certificate, section.key].compactMap { $0 })
        }
        return paths
    }

    /// When the first OCSP response that is sent goes out of date, in seconds since 1970; nil if none does.
    var stapleEnd: Int64? {
        loaded.listeners.values.flatMap(\.certificates).compactMap { certificate in
            certificate.ocspResponse.flatMap { OCSPResponse(der: $0)?.nextUpdate }
        }.min()
    }

    /// Reads the files again.
    ///
    /// - Parameter warnings: receives what is not as intended although the settings can be used.
    /// - Throws: ``TLSSettingsError`` that names the listener or pool, the file and the reason.
    func load(_ warnings: inout [String]) throws(TLSSettingsError) -> LoadedTLS {
        let context = self.context.using(loaded)
        var tls = LoadedTLS()
        for (name, section) in listeners.sorted(by: { $0.key < $1.key }) {
            tls.listeners[name] = try Self.load(section, of: "listener", name, context, &warnings)
        }
        for (name, section) in pools.sorted(by: { $0.key < $1.key }) {
            tls.pools[name] = try Self.load(section, of: "pool", name, context, &warnings)
        }
        return tls
    }

    private static func load<Section: TLSSection>(
        _ section: Section,
        of kind: String,
        _ name: String,
        _ context: ConfigurationFile.Context,
        _ warnings: inout [String]
    ) throws(TLSSettingsError) -> Section.Loaded {
        do {
            return try section.load(in: context, for: name, &warnings)
        } catch {
            throw TLSSettingsError(name.isEmpty ? "\(error)" : "\(kind) \(name): \(error)")
        }
    }
}
