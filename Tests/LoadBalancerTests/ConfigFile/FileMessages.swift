import LoadBalancer

/// Returns the diagnostics of a file, in the form that `monkey check` prints after the file name.
func messages(_ text: String) -> [String] {
    messages(Array(text.utf8))
}

func messages(
    _ bytes: [UInt8],
    in context: ConfigurationFile.Context = ConfigurationFile.Context()
) -> [String] {
    do {
        return try ConfigurationFile(parsing: bytes, in: context).warnings.map(\.description)
    } catch {
        return error.description.split(separator: "\n").map(String.init)
    }
}

/// Returns a valid file with these keys appended to a pool, after its servers.
func file(pool keys: String) -> String {
    """
    listeners:
      front: {listen: "127.0.0.1:5432", pool: p}
    pools:
      p:
        servers: ["10.0.0.1:5432"]

    """ + keys.split(separator: "\n", omittingEmptySubsequences: false).map { "    \($0)\n" }.joined()
}
