import Support
import TCPProxy
import Testing

@testable import AdminServer

@Suite("Metrics response")
struct MetricsResponseTests {
    private let page = MetricsResponse(snapshot: distinctSnapshot(), version: "1.2.3")

    @Test("the four required series come first, in order")
    func firstSeries() {
        let lines = page.prometheus.split(separator: "\n").map(String.init)
        #expect(lines[0].hasPrefix("# HELP connections_active "))
        #expect(lines[1...2] == ["# TYPE connections_active gauge", "connections_active 3"])
        #expect(lines[3].hasPrefix("# HELP connections_total "))
        #expect(lines[4...5] == ["# TYPE connections_total counter", "connections_total 15"])
        #expect(lines[6].hasPrefix("# HELP bytes_upstream "))
        #expect(lines[7...8] == ["# TYPE bytes_upstream untyped", "bytes_upstream 1572864"])
        #expect(lines[9].hasPrefix("# HELP bytes_downstream "))
        #expect(lines[10...11] == ["# TYPE bytes_downstream untyped", "bytes_downstream 819200"])
        #expect(lines[12].hasPrefix("# HELP monkey_bytes_total "))
    }

    @Test("the Prometheus text is valid")
    func format() {
        let text = page.prometheus
        let read = MetricsText(text)
        #expect(read.strays.isEmpty)
        #expect(text.hasSuffix("\n"))
        let names = Set(read.types.keys)
        #expect(names == Set(read.help.keys))
        for sample in read.samples {
            let family = ["_bucket", "_sum", "_count"].first { sample.name.hasSuffix($0) }
                .map { String(sample.name.dropLast($0.count)) }
            #expect(names.contains(sample.name) || names.contains(family ?? ""), "\(sample.name) has no TYPE")
        }
        for (name, type) in read.types where type == "counter" { #expect(name.hasSuffix("_total")) }
    }

    @Test(
        "each metric has its series",
        arguments: [
            ("monkey_bytes_total", ["direction": "upstream"], 1_572_864),
            ("monkey_bytes_total", ["direction": "downstream"], 819_200),
            ("monkey_discarded_bytes_total", ["direction": "upstream"], 20),
            ("monkey_discarded_bytes_total", ["direction": "downstream"], 21),
            ("monkey_connections_closed_total", ["reason": "ended", "initiator": "client"], 6),
            ("monkey_connections_closed_total", ["reason": "reset", "initiator": "server"], 7),
            ("monkey_connections_closed_total", ["reason": "half_close_timeout", "initiator": "proxy"], 0),
            ("monkey_connections_no_server_total", [:], 2),
            ("monkey_connections_denied_total", ["cause": "address"], 25),
            ("monkey_connections_denied_total", ["cause": "client_rate"], 0),
            ("monkey_connect_failures_total", ["cause": "refused"], 4),
            ("monkey_connect_failures_total", ["cause": "timeout"], 5),
            ("monkey_connect_failures_total", ["cause": "client_gone"], 0),
            ("monkey_accept_pauses_total", ["cause": "exhausted"], 22),
            ("monkey_accept_pauses_total", ["cause": "connections"], 0),
            ("monkey_events_dropped_total", [:], 23),
            ("monkey_access_records_dropped_total", [:], 24),
            ("monkey_max_connections", [:], 9_900),
            ("monkey_worker_threads", [:], 2),
            ("monkey_uptime_seconds", [:], 61.25),
            ("monkey_build_info", ["version": "1.2.3"], 1),
            ("process_open_fds", [:], 24),
            ("process_max_fds", [:], 20_000),
        ] as [(String, [String: String], Double)]
    )
    func series(name: String, labels: [String: String], value: Double) {
        #expect(MetricsText(page.prometheus).value(name, labels) == value)
    }

    @Test("the buckets of connect times are cumulative")
    func histogram() {
        let read = MetricsText(page.prometheus)
        let name = "monkey_connect_duration_seconds"
        #expect(read.types[name] == "histogram")
        let buckets = read.samples.filter { $0.name == name + "_bucket" }
        #expect(
            buckets.map { $0.labels["le"] } == [
                "0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25",
                "0.5",
                "1", "2.5", "5", "10", "+Inf",
            ]
        )
        #expect(buckets.map(\.value) == [8, 8, 8] + Array(repeating: 17, count: 13) + [18])
        #expect(read.value(name + "_sum") == 12.5)
        #expect(read.value(name + "_count") == 18)
    }

    @Test("a version with special characters is escaped")
    func escaping() {
        let page = MetricsResponse(snapshot: .init(), version: "a\"b\\c\nd")
        #expect(page.prometheus.contains("monkey_build_info{version=\"a\\\"b\\\\c\\nd\"} 1\n"))
        #expect(MetricsText(page.prometheus).strays.isEmpty)
    }

    @Test("the JSON begins with the four required members")
    func firstMembers() {
        #expect(
            page.json.hasPrefix(
                #"{"active_connections":3,"total_connections":15,"bytes_upstream":1572864,"bytes_downstream":819200,"#
            )
        )
        #expect(page.json.hasSuffix("}\n"))
    }

    @Test("the JSON contains the other metrics")
    func members() {
        for member in [
            #""bytes_discarded_upstream":20"#,
            #""bytes_discarded_downstream":21"#,
            #""ended":{"client":6,"server":0,"proxy":0}"#,
            #""connections_no_server":2"#,
            #""connections_denied":{"address":25,"connections":0,"#,
            #""connect_failures":{"refused":4,"timeout":5,"unreachable":0,"exhausted":0,"client_gone":0,"other":0,"tls":0}"#,
            #""connect_duration_seconds":{"count":18,"sum":12.5}"#,
            #""tls_handshakes":{"full":0,"resumed":0}"#,
            #""tls_truncated_upstream":0"#,
            #""accept_pauses":{"connections":0,"exhausted":22}"#,
            #""events_dropped":23"#,
            #""access_records_dropped":24"#,
            #""max_connections":9900"#,
            #""worker_threads":2"#,
            #""uptime_seconds":61.25"#,
            #""version":"1.2.3""#,
            #""open_descriptors":24"#,
            #""descriptor_limit":20000"#,
        ] {
            #expect(page.json.contains(member))
        }
    }
}
