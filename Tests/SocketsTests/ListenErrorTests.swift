import ProcessSupport
import Sockets
import Testing

@Suite("Listen errors")
struct ListenErrorTests {
    @Test("an error states the cause and the fix")
    func sentences() throws {
        let web = try ServiceAddress(parsing: "127.0.0.1:80")
        let socket = try ServiceAddress(parsing: "unix:/run/s")
        let errors: [(ListenError, String)] = [
            (.addressInUse(web), "127.0.0.1:80 is in use: stop the process that uses it, or choose another port"),
            (.addressInUse(socket), "unix:/run/s is in use: stop the process that uses it, or choose another path"),
            (
                ListenError(.notPermitted, at: web),
                "cannot listen on 127.0.0.1:80: permission denied: ports below 1024 require root or "
                    + "CAP_NET_BIND_SERVICE; choose a higher port"
            ),
            (
                ListenError(.permissionDenied, at: try ServiceAddress(parsing: "127.0.0.1:0")),
                "cannot listen on 127.0.0.1:0: permission denied: choose another address"
            ),
            (
                ListenError(.cannotRemove(path: "/run/s"), at: socket),
                "cannot listen on unix:/run/s: permission denied: check the directory's permissions"
            ),
            (
                ListenError(.addressNotAvailable, at: web),
                "cannot listen on 127.0.0.1:80: not an address of this machine: use one, such as 127.0.0.1"
            ),
            (
                ListenError(.notASocket(path: "/run/s"), at: socket),
                "cannot listen on unix:/run/s: the file exists and is not a socket: remove it, or choose another path"
            ),
            (
                ListenError(.cannotProbe(path: "/run/s", .noSuchFile), at: socket),
                "cannot listen on unix:/run/s: its directory does not exist: create it, or choose another path"
            ),
            (.other(web, .tooManyOpenFiles), "cannot listen on 127.0.0.1:80: Too many open files"),
        ]
        for (error, text) in errors { #expect(error.description == text) }
    }

    @Test("a source address that cannot be bound is reported with the cause")
    func sources() throws {
        let source = try #require(InternetAddress(host: "192.0.2.1", port: 0))
        #expect(
            SourceAddressError(source, .addressNotAvailable).description
                == "cannot connect from 192.0.2.1: not an address of this machine"
        )
        #expect(SourceAddressError(source, .notPermitted).description.hasSuffix("192.0.2.1: Operation not permitted"))
    }
}
