import Sockets

/// The upstream of a proxy.
enum Upstream: Equatable, Sendable {
    /// An echo server inside the proxy's own process.
    case echo
    case address(ServiceAddress)

    /// Parses an address, or `echo`.
    ///
    /// - Throws: ``CommandError``, which states the expected format.
    init(parsing text: String) throws(CommandError) {
        if text == "echo" {
            self = .echo
            return
        }
        let address: ServiceAddress
        do throws(AddressParseError) {
            address = try ServiceAddress(parsing: text)
        } catch {
            throw CommandError("\(error.targetDescription), or write echo for the built-in echo server")
        }
        guard address.port != 0 else {
            throw CommandError("port 0 cannot be connected to: write the port that the server listens on")
        }
        self = .address(address)
    }
}

extension Upstream: CustomStringConvertible {
    var description: String {
        switch self {
        case .echo: "echo"
        case .address(let address): address.description
        }
    }
}

extension ServiceAddress {
    /// The port; nil for a Unix socket.
    fileprivate var port: UInt16? {
        switch self {
        case .socket(let address): address.port
        case .name(_, let port): port
        }
    }
}
