import Foundation
import Support
import Testing

/// A listener whose accept queue is full, so that a connect to it gets no answer.
struct FullListener: Sendable {
    let listener: TestListener
    private let fillers: [TestSocket]

    init(on address: TestAddress = .loopback) throws {
        listener = try TestListener(on: address, backlog: 0)
        fillers = try listener.fill()
    }

    /// Accepts and closes the connections that filled the queue.
    func makeRoom() throws {
        for filler in fillers {
            try listener.accept().close()
            filler.close()
        }
    }
}

/// An /etc/hosts seen by one program only, through a private mount namespace.
struct OwnHosts {
    let wrapper: [String]

    /// Some containers forbid namespaces.
    static var isPossible: Bool {
        get async {
            let check = try? await runToEnd([
                "unshare", "--map-root-user", "--mount", "mount", "--bind", "/etc/hosts", "/etc/hosts",
            ])
            return check?.exit == .code(0)
        }
    }

    init(in folder: String, names: [(address: String, name: String)]) throws {
        let path = "\(folder)/hosts"
        let lines = names.map { "\($0.address) \($0.name)\n" }
        try lines.joined().write(toFile: path, atomically: true, encoding: .utf8)
        let script = #"mount --bind "$0" /etc/hosts && exec "$@""#
        wrapper = ["unshare", "--map-root-user", "--mount", "sh", "-c", script, path]
    }
}
