import TCPProxy

extension ListenerSection {
    /// Checks that permissions are set only where there is a file.
    func checkSocketFile(_ written: YAMLNode, _ diagnostics: inout Diagnostics) {
        guard written["listen"] != nil, !configuration.hasSocketFile else { return }
        for name in ["mode", "owner", "group"] {
            guard let value = written[name] else { continue }
            diagnostics.within(name) {
                $0.error(
                    at: value.location,
                    "\(listen) has no file: remove \(name), or listen on an address such as unix:/run/app.sock"
                )
            }
        }
    }
}
