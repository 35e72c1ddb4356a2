import Sockets

/// Where a proxy forwards to.
enum Upstream: Equatable, Sendable {
    /// An echo server that the proxy starts inside its own process.
    case echo
    case address(ServiceAddress)

    /// Reads an address, or `echo`.
    ///
    /// - Throws: ``Failure``, which says how to write it.
    init(parsing text: String) throws(Failure) {
        if text == "echo" {
            self = .echo
            return
        }
        let address: ServiceAddress
        do {
            address = try ServiceAddress(parsing: text)
        } catch {
            throw Failure("\(error), or write echo for an echo server inside")
        }
        guard address.port != 0 else {
            throw Failure("nothing can be reached at port 0: write the port that the server listens on")
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
    /// nil for a Unix socket.
    fileprivate var port: UInt16? {
        switch self {
        case .socket(let address): address.port
        case .name(_, let port): port
        }
    }
}
