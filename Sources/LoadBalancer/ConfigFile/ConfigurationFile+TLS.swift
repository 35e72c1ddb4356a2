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
