import LoadTester
import Sockets
import TCPProxy
import ValueFormats

/// The definitions of the settings that only the command line has.
enum CommandLineSettings {
    // MARK: proxy, balance

    static let upstream = SettingDescriptor("upstream", default: Upstream.address(.loopback(port: 8081)))
        .allowed("`host:port`, `[ipv6]:port`, `unix:/path` or `echo`")
        .help("Address to forward to; `echo` starts a built-in echo server.")

    static let servers = SettingDescriptor<[ServerArgument]>("servers", unset: "required")
        .help("Server addresses, each with optional comma-separated settings.")

    // MARK: run, check

    static let file = SettingDescriptor.path("file", unset: "required")
        .help("Configuration file, or `-` for standard input.")

    static let schema = SettingDescriptor.flag("schema")
        .help("Print a JSON Schema of configuration files, for editors, instead.")

    static let resolve = SettingDescriptor.flag("resolve")
        .help("Also resolve all names of servers, listeners and the admin endpoint, and report those that fail.")

    // MARK: init

    static let service = SettingDescriptor.word("service", default: SampleConfiguration.tcp)
        .help("Kind of service.")

    static let output = SettingDescriptor("output", .path, default: "monkey.yaml")
        .help("File to create; `-` is standard output.")

    // MARK: status, drain, disable, enable, weight, close, reload

    static let adminAddress = SettingDescriptor(
        "admin",
        default: ServiceAddress.socket(.internet(InternetAddress(v4: 0x7F00_0001, port: 8998)))
    )
    .help("Admin address of the proxy, as given to its `--admin`.")

    static let adminClientTokenFile = SettingDescriptor.path("admin-token-file", unset: "none")
        .help("File with the token of the admin address.")

    static let jsonResponse = SettingDescriptor.flag("json")
        .help("Print the response of the proxy, which is JSON, as it is.")

    static let pool = SettingDescriptor.text("pool", of: 1...256, unset: "required")
        .help("Name of the pool; that of `monkey balance` is `servers`.")

    static let server = SettingDescriptor.text("server", of: 1...256, unset: "required")
        .help("Name of the server, as shown by `monkey status`.")

    static let weight = SettingDescriptor.text("weight", of: 1...16, unset: "required")
        .help("Weight from 0 to 256, or `configured` for the configured one.")

    static let closedClient = SettingDescriptor.text("client", of: 1...256, unset: "any")
        .help("Address of the client, without a port, or `unix`.")

    static let closedListener = SettingDescriptor.text("listener", of: 1...256, unset: "any")
        .help("Name of the listener.")

    static let closedPool = SettingDescriptor.text("pool", of: 1...256, unset: "any").help("Name of the pool.")

    static let closedServer = SettingDescriptor.text("server", of: 1...256, unset: "any").help("Name of the server.")

    static let closedID = SettingDescriptor.text("id", of: 1...64, unset: "any")
        .help("ID of the connection, as in `/connections` and in the access log.")

    // MARK: load

    static let targets = SettingDescriptor<[ServiceAddress]>("target", unset: "required")
        .help("Address of the target; two targets with `--versus`.")

    static let versus = SettingDescriptor.flag("versus")
        .help("Run two targets in alternating rounds, and report the ratios of the second to the first.")

    static let mode = SettingDescriptor<LoadMode?>.word(
        "mode",
        unset: "`script` with `--script`, `request` with `--response-size`, else `echo`"
    )
    .help("Workload of the connections.")

    static let payload = SettingDescriptor.path("payload", unset: "none")
        .help("File whose content is sent as the request.")

    static let script = SettingDescriptor.path("script", unset: "none")
        .help("File with the lines to send and to expect.")

    static let end = SettingDescriptor.word("end", default: LoadTest.ConnectionEnding.fin)
        .help("How connections are closed in the modes connect and handshake.")

    static let sendProxy = SettingDescriptor<LoadTest.ProxyHeader?>.wordOrOff("send-proxy")
        .help("Version of the PROXY protocol header that begins each connection, with the connection's addresses.")

    static let verify = SettingDescriptor.flag("verify")
        .help("Verify the data received in a bulk mode or request mode against the pattern of `monkey echo --source`.")

    static let tls = SettingDescriptor.flag("tls")
        .help("Encrypt the connections with TLS; implied by the mode handshake.")

    static let tlsVerify = SettingDescriptor<PoolTLS.Verify?>(
        "tls-verify",
        unset: "`ca` with `--tls-ca`, else `system`"
    )
    .allowed("`system`, `ca`, `off`")
    .help(
        "Verification of the target's certificate: with the authorities of the `system`, with those of `--tls-ca`, "
            + "or `off`, which accepts any target."
    )

    static let tlsCA = SettingDescriptor.path("tls-ca", unset: "none")
        .help("PEM file with the certificates of the authorities.")

    static let tlsName = SettingDescriptor.text("tls-name", of: 1...253, unset: "the host of the target")
        .help("Name that is sent as SNI and that the target's certificate must have.")

    static let tlsCertificate = SettingDescriptor.path("tls-certificate", unset: "none")
        .help("PEM file with a certificate chain for a target that requests one.")

    static let tlsKey = SettingDescriptor.path("tls-key", unset: "none")
        .help("PEM file with the private key of the certificate.")

    static let tlsALPN = SettingDescriptor<[ALPNProtocol]>("tls-alpn", unset: "not negotiated")
        .allowed("protocols such as `h2` and `http/1.1`")
        .help("Application protocols that are offered to the target.")

    static let tlsMinVersion = SettingDescriptor.word("tls-min-version", default: ListenerTLS.MinVersion.v12)
        .help("Oldest version of TLS.")

    static let tlsMaxVersion = SettingDescriptor<ListenerTLS.MinVersion?>.word("tls-max-version", unset: "1.3")
        .help("Newest version of TLS.")

    static let findRate = SettingDescriptor<LoadTest.Assertion?>("find-rate", unset: "none")
        .allowed("a condition such as `'p99<2ms'`")
        .help("Search for the highest rate that meets a condition, within `--ramp` if given.")

    static let json = SettingDescriptor.path("json", unset: "none")
        .help("File for the report as JSON; `-` is standard output.")

    static let csv = SettingDescriptor.path("csv", unset: "none")
        .help("File for the timeline as comma-separated values.")

    static let hgrm = SettingDescriptor.path("hgrm", unset: "none")
        .help("File for the latencies in HdrHistogram's percentile format.")

    static let html = SettingDescriptor.path("html", unset: "none")
        .help("File for a page with tables and plots, which needs no network.")

    static let assert = SettingDescriptor<[LoadTest.Assertion]>("assert", unset: "none")
        .allowed("a condition such as `'p99<5ms'`, `'errors==0'` or `'throughput>10k'`")
        .help("Condition; if one is not met, the exit code is 1.")

    static let quiet = SettingDescriptor.flag("quiet")
        .help("Show no progress, even on a terminal.")
}
