"""The loads by name: what each generates, and which metric the plot shows."""

from measurement import ECHO, SINK, SOURCE, Bulk, HeldConnections, LargeExchanges, Mixed, SlowLinkStream, Traffic
from topologies import LINK_MEGABITS_PER_SECOND, ROUND_TRIP_MILLISECONDS

PACED_CONNECTIONS = 200
DRAIN_SECONDS = 15  # for the bytes queued before a slow link to pass it
TLS = {"group": "tls", "has_tls": True}
CLOSED_LOOP = "--rate max --mode"
CONNECT = f"{CLOSED_LOOP} connect --connections 32"
RESPONSES = {
    "4K": "4 KiB",
    "16K": "16 KiB",
    "32K": "32 KiB",
    "64K": "64 KiB",
    "200K": "200 KiB",
    "1M": "1 MiB",
    "5M": "5 MiB",
}
MESSAGES = {"16K": "16 KiB", "32K": "32 KiB", "64K": "64 KiB", "256K": "256 KiB", "1M": "1 MiB"}
PLOTTED_REQUESTS = {("16K", 64): "p50", ("64K", 4): "p50", ("200K", 4): "proxy", ("1M", 1): "proxy"}
PLOTTED_MESSAGES = {("64K", 64): "proxy", ("1M", 1): "proxy"}


def connections(count):
    return f"{count} connection{'s' * (count != 1)}"


def round_trip_load(name, title, options, group="round-trips", **more):
    return Traffic(name, title, group, (ECHO,), f"{CLOSED_LOOP} echo {options}", **more)


def bulk(name, title, behavior, options, group="bulk", **more):
    return Bulk(name, title, group, (behavior,), options, **more)


def request(size, count):
    return LargeExchanges(
        f"request-{size.lower()}-{count}",
        f"100 B requests, {RESPONSES[size]} responses, {connections(count)}",
        "request",
        (f"--respond {size}",),
        f"{CLOSED_LOOP} request --response-size {size} --connections {count}",
        plotted=PLOTTED_REQUESTS.get((size, count)),
    )


def ping_pong(size, count):
    return LargeExchanges(
        f"ping-pong-{size.lower()}-{count}",
        f"{MESSAGES[size]} round trips, {connections(count)}",
        "ping-pong",
        (ECHO,),
        f"{CLOSED_LOOP} echo --size {size} --connections {count}",
        plotted=PLOTTED_MESSAGES.get((size, count)),
    )


def paced(megabytes):
    return bulk(
        f"paced-{megabytes}m",
        f"{PACED_CONNECTIONS} downloads, each paced by its server at {megabytes} MB/s",
        f"{SOURCE} --pace {megabytes}MB/s",
        f"--mode download --connections {PACED_CONNECTIONS}",
        group="paced",
        plotted="proxy" if megabytes == 1 else None,
    )


def small_writes(count):
    options = f"--mode upload --size 1K --connections {count}"
    plotted = "proxy" if count == 64 else None
    return bulk(
        f"small-{count}", f"1 KiB writes up, {connections(count)}", SINK, options, group="small", plotted=plotted
    )


def slow_link(topology, direction):
    where = {"server-link": "between proxy and server", "client-link": "between client and proxy"}[topology]
    return SlowLinkStream(
        f"{topology}-{direction.removesuffix('load')}",
        f"one {direction} over {LINK_MEGABITS_PER_SECOND} Mbit/s and {ROUND_TRIP_MILLISECONDS} ms {where}",
        "slow-link",
        (SOURCE if direction == "download" else SINK,),
        f"--mode {direction} --connections 1 --drain {DRAIN_SECONDS}s",
        topology=topology,
        plotted="proxy" if direction == "download" else None,
    )


def handshakes(name, title, options, **more):
    return Traffic(
        name, title, "tls", (ECHO,), f"{CLOSED_LOOP} handshake --connections 32 {options}", has_tls=True, **more
    )


LOADS = [
    round_trip_load("echo-1", "64 B round trips, 1 connection", "--size 64 --connections 1", plotted="proxy"),
    round_trip_load("echo-64", "64 B round trips, 64 connections", "--size 64 --connections 64", plotted="proxy"),
    round_trip_load("echo-16k", "16 KiB round trips, 64 connections", "--size 16K --connections 64", plotted="proxy"),
    Traffic("connect", "connect, round trip, close; 32 at a time", "connects", (ECHO,), CONNECT, plotted="proxy"),
    Traffic(
        "round-robin",
        "connect, round trip, close over three servers, round-robin",
        "connects",
        (ECHO,),
        CONNECT,
        policy="round-robin",
        plotted="proxy",
    ),
    Traffic(
        "least-connections",
        "connect, round trip, close over three servers, least connections",
        "connects",
        (ECHO,),
        CONNECT,
        policy="least-connections",
        plotted="proxy",
    ),
    bulk("up-4", "bulk up, 4 connections", SINK, "--mode upload --connections 4", plotted="proxy"),
    bulk("down-4", "bulk down, 4 connections", SOURCE, "--mode download --connections 4", plotted="proxy"),
    bulk("down-64", "bulk down, 64 connections", SOURCE, "--mode download --connections 64", plotted="proxy"),
    *(request(size, count) for size in RESPONSES for count in (1, 4, 64)),
    *(
        ping_pong(size, count) for size in MESSAGES for count in (1, 64) if (size, count) != ("16K", 64)
    ),  # that is echo-16k
    *(paced(megabytes) for megabytes in (1, 4)),
    *(small_writes(count) for count in (4, 64)),
    Mixed(
        "mixed",
        "64 B round trips on 4 connections beside 4 bulk downloads",
        "mixed",
        (ECHO, SOURCE),
        f"{CLOSED_LOOP} echo --size 64 --connections 4",
        "--mode download --connections 4",
        plotted="p99",
    ),
    *(
        slow_link(topology, direction)
        for topology in ("server-link", "client-link")
        for direction in ("download", "upload")
    ),
    HeldConnections("idle", "idle connections", "memory", (ECHO,), plotted="user"),
    HeldConnections("stalled", "stalled readers", "memory", (SOURCE,), plotted="user"),
    handshakes("tls-full", "TLS 1.3, full handshakes", "--resume 0%", plotted="proxy"),
    handshakes("tls-resumed", "TLS 1.3, resumed handshakes", "--resume 100%", plotted="proxy"),
    round_trip_load(
        "tls-echo-64", "TLS 1.3, 64 B round trips, 64 connections", "--size 64 --connections 64", **TLS, plotted="proxy"
    ),
    round_trip_load("tls-echo-16k", "TLS 1.3, 16 KiB round trips, 64 connections", "--size 16K --connections 64", **TLS),
    bulk("tls-up-4", "TLS 1.3, bulk up, 4 connections", SINK, "--mode upload --connections 4", **TLS),
    bulk(
        "tls-down-4",
        "TLS 1.3, bulk down, 4 connections",
        SOURCE,
        "--mode download --connections 4",
        **TLS,
        plotted="proxy",
    ),
    HeldConnections("tls-idle", "idle connections with TLS 1.3", "tls", (ECHO,), has_tls=True, plotted="user"),
]
