import TCPProxy

// Reading of the certificates and keys that the file names.

extension ConfigurationFile {
    /// Reads the certificates and keys, and checks that they can be used.
    mutating func loadTLS(_ root: YAMLNode, _ context: Context, _ diagnostics: inout Diagnostics) {
        for index in listeners.indices {
            guard let tls = listeners[index].tls,
                let written = root["listeners"]?.members[listeners[index].name]?["tls"]
            else { continue }
            diagnostics.within("listeners") { diagnostics in
                diagnostics.within(listeners[index].name) { diagnostics in
                    diagnostics.within("tls") { diagnostics in
                        listeners[index].tls?.loaded = diagnostics.value(at: written) { try tls.load(in: context) }
                    }
                }
            }
        }
        for index in pools.indices {
            loadCheckTLS(&pools[index], root, context, &diagnostics)
            guard let tls = pools[index].tls, let written = root["pools"]?.members[pools[index].name]?["tls"] else {
                continue
            }
            diagnostics.within("pools") { diagnostics in
                diagnostics.within(pools[index].name) { diagnostics in
                    diagnostics.within("tls") { diagnostics in
                        pools[index].tls?.loaded = diagnostics.value(at: written) { try tls.load(in: context) }
                    }
                }
            }
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
                    _ = diagnostics.value(at: written) { try tls.load(in: context, poolHasTLS: poolHasTLS) }
                }
            }
        }
    }
    pool.check?.tls = tls
}

extension Diagnostics {
    /// Returns a value; nil if it cannot be determined, with the error reported at a node.
    fileprivate mutating func value<Value>(at node: YAMLNode, _ body: () throws -> Value) -> Value? {
        do {
            return try body()
        } catch {
            self.error(at: node.location, "\(error)")
            return nil
        }
    }
}
