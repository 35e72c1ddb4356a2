import TCPProxy

/// The minimal proxy: relays 127.0.0.1:8080 to 127.0.0.1:8081, where `monkey echo` listens, until Ctrl-C.
@main
struct Minimal {
    static func main() async throws {
        let proxy = try await Proxy.bind("127.0.0.1:8080", to: "127.0.0.1:8081")
        print("Proxy listening on \(proxy.localAddress)")
        try await proxy.run()
    }
}
