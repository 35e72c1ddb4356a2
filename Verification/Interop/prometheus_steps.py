"""promtool and a real Prometheus on /metrics."""

import json
import socket
import threading
import urllib.parse

from harness import Failure, Sandbox, free_port, program, require, require_equal, run, wait_until
from proxy import Counts, Proxy, get, parse, series, succeeds

SCRAPE_SECONDS = 1
SCRAPED_SECONDS = 30  # for Prometheus to have a scrape from after the load

UP_BYTES, DOWN_BYTES = 3_000, 5_000
CONNECTIONS = 7


def promtool():
    """promtool reports no problem with names, help texts, types and format, before a connection and after."""
    with Sandbox() as sandbox, FixedResponseServer() as server:
        proxy = Proxy(sandbox, server.port)
        for moment in ("before the first connection", "after some"):
            try:
                run([program("promtool", "prometheus"), "check", "metrics"], input=proxy.text())
            except Failure as failure:
                raise Failure(f"{moment}: {failure}") from None
            if moment.startswith("before"):
                server.run_exchanges_through(proxy)
        proxy.require_same_in_json()
        proxy.stop()
        return "promtool check metrics reports no problem, and ?format=json begins with the same four values"


def prometheus():
    """Prometheus reports the proxy as up, and returns the values of /metrics through its own API.

    Exact: the proxy is idle, so every value that is equal in two readings of /metrics is the value of each scrape
    between them.
    """
    with Sandbox() as sandbox, FixedResponseServer() as server:
        proxy = Proxy(sandbox, server.port)
        server.run_exchanges_through(proxy)
        counts = proxy.settled(CONNECTIONS)
        require_equal("connections", counts.connections_total, "the client", CONNECTIONS)
        require_equal("bytes upstream", counts.bytes_upstream, "the client sent", CONNECTIONS * UP_BYTES)
        require_equal("bytes downstream", counts.bytes_downstream, "the server sent", CONNECTIONS * DOWN_BYTES)

        earlier = parse(proxy.text())
        prometheus = Prometheus(sandbox, proxy.metrics_address)
        wait_until("up == 1", lambda: prometheus.query_series('up{job="monkey"}') == {"up": 1.0}, SCRAPED_SECONDS)
        scraped = prometheus.query_series('{job="monkey"}')
        later = parse(proxy.text())

        unchanged = {name: value for name, value in earlier.items() if later.get(name) == value}
        require(Counts(unchanged) == counts, f"while idle, /metrics changed from {counts} to {Counts(later)}")
        for name, value in unchanged.items():
            require(name in scraped, f"Prometheus has no series {name}")
            require(scraped[name] == value, f"{name}: /metrics reports {value}, Prometheus {scraped[name]}")
        proxy.stop()
        return f"up == 1, and {len(unchanged)} series queried from it equal those of /metrics; {counts}"


class Prometheus:
    CONFIGURATION = {
        "global": {"scrape_interval": f"{SCRAPE_SECONDS}s", "scrape_timeout": f"{SCRAPE_SECONDS}s"},
        "scrape_configs": [{"job_name": "monkey"}],
    }

    def __init__(self, sandbox, target):
        self.address = f"127.0.0.1:{free_port()}"
        configuration = json.loads(json.dumps(self.CONFIGURATION))
        configuration["scrape_configs"][0]["static_configs"] = [{"targets": [target]}]
        file = sandbox.path / "prometheus.yml"
        file.write_text(json.dumps(configuration))  # JSON is YAML
        process = sandbox.start(
            [program("prometheus", "prometheus"), f"--config.file={file}", f"--web.listen-address={self.address}"]
            + [f"--storage.tsdb.path={sandbox.path}/data"],
            **sandbox.as_unprivileged(),
        )
        # Prometheus listens some time before it answers queries.
        sandbox.wait_for(process, "prometheus", lambda: succeeds(lambda: get(f"http://{self.address}/-/ready")))

    def query_series(self, query):
        """Returns the result of an instant query as {series: value}, without the labels that only Prometheus adds."""
        response = get(f"http://{self.address}/api/v1/query?" + urllib.parse.urlencode({"query": query}))
        values = {}
        for result in json.loads(response)["data"]["result"]:
            labels = {name: value for name, value in result["metric"].items() if name not in ("job", "instance")}
            values[series(labels.pop("__name__"), labels)] = float(result["value"][1])
        return values


class FixedResponseServer:
    """A server that receives a fixed number of bytes and responds with another, so that the values are known."""

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as stream:
                stream.read(UP_BYTES)
                stream.write(bytes(DOWN_BYTES))

    def run_exchanges_through(self, proxy):
        for _ in range(CONNECTIONS):
            with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as connection:
                connection.sendall(bytes(UP_BYTES))
                with connection.makefile("rb") as stream:
                    response = stream.read()
            require(len(response) == DOWN_BYTES, f"the response had {len(response)} B, not {DOWN_BYTES}")
