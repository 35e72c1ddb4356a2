package import TCPProxy

// Reading of the certificates and keys that the file names.

extension ConfigurationFile {
    /// Reads the certificates and keys, and checks that they can be used.
    mutating func loadTLS(_ root: YAMLNode, _ context: Context, _ diagnostics: inout Diagnostics) {
        for index in listeners.indices {
            guard listeners[index].tls != nil else { continue }
            let name = listeners[index].name
            diagnostics.load(&listeners[index].tls!, of: "listeners", name, root, context) { tls in
                CertificateWarnings.lines(about: tls, at: context.now())
            }
        }
        for index in pools.indices {
            loadCheckTLS(&pools[index], root, context, &diagnostics)
            guard pools[index].tls != nil else { continue }
            diagnostics.load(&pools[index].tls!, of: "pools", pools[index].name, root, context) { tls in
                CertificateWarnings.lines(about: tls, at: context.now())
            }
        }
    }

    /// TLS of the listeners and pools as it was read from the files.
    var loadedTLS: LoadedTLS {
        LoadedTLS(
            listeners: Dictionary(listeners.compactMap { entry in entry.tls?.loaded.map { (entry.name, $0) } }) { $1 },
            pools: Dictionary(pools.compactMap { entry in entry.tls?.loaded.map { (entry.name, $0) } }) { $1 }
        )
    }

    /// Replaces what was read from the files of listeners and pools.
    mutating func use(_ tls: LoadedTLS) {
        for index in listeners.indices {
            if let loaded = tls.listeners[listeners[index].name] { listeners[index].tls?.loaded = loaded }
        }
        for index in pools.indices {
            if let loaded = tls.pools[pools[index].name] { pools[index].tls?.loaded = loaded }
        }
    }
}

/// Reads the files that the check of a pool names.
private func loadCheckTLS(
    _ pool: inout PoolSection,
    _ root: YAMLNode,
    _ context: ConfigurationFile.Context,
    _ diagnostics: inout Diagnostics
) {
    guard var tls = pool.check?.tls, let written = root["pools"]?.members[pool.name]?["check"]?["tls"] else { return }
    let poolHasTLS = pool.tls != nil
    diagnostics.within("pools") { diagnostics in
        diagnostics.within(pool.name) { diagnostics in
            diagnostics.within("check") { diagnostics in
                diagnostics.within("tls") { diagnostics in
                    do {
                        try tls.load(in: context, poolHasTLS: poolHasTLS)
                    } catch {
                        diagnostics.error(at: written.location, "\(error)")
                    }
                }
            }
        }
    }
    pool.check?.tls = tls
}

/// TLS of listeners and pools with the content of the files, by name.
package struct LoadedTLS: Sendable, Equatable {
    package var listeners: [String: ListenerTLS] = [:]
    package var pools: [String: PoolTLS] = [:]

    package init(listeners: [String: ListenerTLS] = [:], pools: [String: PoolTLS] = [:]) {
        self.listeners = listeners
        self.pools = pools
    }
}

extension Diagnostics {
    /// Reads the files of a section, and reports an error or warnings at its place in the file.
    ///
    /// - Parameter warnings: returns the warnings about what was read.
    fileprivate mutating func load<Section: TLSSection>(
        _ section: inout Section,
        of kind: String,
        _ name: String,
        _ root: YAMLNode,
        _ context: ConfigurationFile.Context,
        warnings: (Section.Loaded) -> [String]
    ) {
        guard let node = root[kind]?.members[name]?["tls"] else { return }
        section.loaded = within(kind) { diagnostics in
            diagnostics.within(name) { diagnostics in
                diagnostics.within("tls") { diagnostics in
                    do {
                        var lines: [String] = []
                        let loaded = try section.load(in: context, for: name, &lines)
                        for line in lines + warnings(loaded) { diagnostics.warning(at: node.location, line) }
                        return loaded
                    } catch {
                        diagnostics.error(at: node.location, "\(error)")
                        return nil
                    }
                }
            }
        }
    }
}
