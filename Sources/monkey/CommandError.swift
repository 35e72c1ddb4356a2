import Sockets

/// An error that ends a command: one sentence that names the argument and the fix.
struct CommandError: Error, Equatable, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

extension CommandError {
    /// A response of the admin address is not that of a proxy of this version.
    static func notAProxy(_ address: ServiceAddress) -> CommandError {
        CommandError(
            "unexpected response from \(address): check that it is the admin address of a proxy of this version"
        )
    }
}
