import LoadTester
import Sockets
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
        .help("How connections are closed in connect mode.")

    static let sendProxy = SettingDescriptor<LoadTest.ProxyHeader?>.wordOrOff("send-proxy")
        .help("Version of the PROXY protocol header that begins each connection, with the connection's addresses.")

    static let verify = SettingDescriptor.flag("verify")
        .help("Verify the data received in a bulk mode or request mode against the pattern of `monkey echo --source`.")

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
