#!/usr/bin/env python3
"""The gateway beside other proxies: what a request costs each of them.

Same routes, same backends, the same load; all take turns, round after round, so that whatever else the
machine does costs all of them the same. What counts is the CPU of the whole process tree for a request,
user and system: on shared cores nothing else can be repeated. The middle of the rounds is printed as a table in
Markdown. Proxies and tools that this machine does not have are named as skipped.

  GATEWAY=target/release/edgeway-gateway PEERS=folder/of/a/venv tests/bench/peers.py --rounds 3
"""
import argparse
import os
import resource
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack

import loads
from machine import Program, certificate, find, free_port
from proxies import ALL, World

# Name, what it is called in the table, and what is done to which port.
TIMED = {
    "keepalive": ("HTTP/1.1 keep-alive, 1 KiB", lambda it, s: loads.wrk(it.http, s, 64)),
    "close": ("a connection a request", lambda it, s: loads.wrk(it.http, s, 16, close=True)),
    "tls": ("TLS keep-alive", lambda it, s: loads.wrk(it.https, s, 64)),
    "paced": ("HTTP/1.1, 6,400 requests a second", lambda it, s: loads.paced(it.plain, s, "http")),
    "paced-tls": ("the same over TLS", lambda it, s: loads.paced(it.secure, s, "https")),
    "handshake": ("full TLS handshake a request (ECDSA)", lambda it, s: loads.handshakes(it.secure, s, False)),
    "resumed": ("resumed TLS handshake a request", lambda it, s: loads.handshakes(it.secure, s, True)),
    "h2": ("HTTP/2 over TLS, 8 × 32 streams", lambda it, s: loads.h2load(it.secure, s)),
    "grpc": ("gRPC unary over TLS, 8 × 32 streams", lambda it, s: loads.calls(it.secure, s)),
    "large": ("64 KiB bodies", lambda it, s: loads.wrk(it.http, s, 64, loads.LARGE)),
}
HELD = {
    "idle": ("KiB of an idle connection", lambda it, n: loads.idle(it.program, it.plain, n)),
    "idle-h2": ("KiB of an idle connection of HTTP/2 over TLS", lambda it, n: loads.idle_http2(it.program, it.secure, n // 2)),
}
ROUTES = {"routes-10": 10, "routes-1000": 1000, "routes-10000": 10000}
SCENARIOS = [*TIMED, *ROUTES, *HELD]


class Live:
    """A proxy that runs."""

    def __init__(self, program, http, https):
        self.program, self.plain, self.secure = program, http, https
        self.http, self.https = f"http://127.0.0.1:{http}", f"https://127.0.0.1:{https}"


def backends(folder):
    """Two of HTTP/1.1, and two of gRPC, whose messages nobody looks into."""
    plain, calls = [free_port(), free_port()], [free_port(), free_port()]
    os.makedirs(os.path.join(folder, "www/api"))
    with open(os.path.join(folder, "www/api/large"), "w", encoding="ascii") as large:
        large.write("x" * 65536)
    server = lambda port: (f"server {{ listen 127.0.0.1:{port} backlog=4096; default_type text/plain; root {folder}/www; "
                           f"location = {loads.LARGE} {{ }} location / {{ return 200 '{'x' * 1024}'; }} }}")
    called = lambda port: (f"server {{ listen 127.0.0.1:{port} http2 backlog=4096; default_type application/grpc; "
                           "location / { add_trailer grpc-status 0; return 200 '01234hello'; } }")
    path = os.path.join(folder, "backends.conf")
    lines = "\n".join([*map(server, plain), *map(called, calls)])
    with open(path, "w", encoding="ascii") as out:
        out.write(f"""user root; worker_processes 1; daemon off; pid {folder}/backends.pid; error_log {folder}/backends.err;
events {{ worker_connections 16384; }}
http {{ access_log off; sendfile on; keepalive_requests 100000000; keepalive_timeout 600s;
http2_max_concurrent_streams 1024;
client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
{lines}
}}
""")
    command = [find("nginx"), "-c", path, "-p", folder, "-e", f"{folder}/backends.err"]
    return Program("backends", command, folder, plain + calls), plain, calls


def start(stack, folder, wanted, routes, hosts):
    """Backends and proxies, which run until the stack unwinds."""
    certificate(folder)
    program, plain, calls = backends(folder)
    stack.enter_context(program)
    world, live = World(folder, plain, calls, hosts, routes), {}
    for name in wanted:
        own = os.path.join(folder, name)
        os.mkdir(own)
        made = ALL[name](world, own)
        if made is None:
            continue
        command, http, https = made
        program = stack.enter_context(Program(name, command, own, [http, https]))
        live[name] = Live(program, http, https)
        deadline = time.monotonic() + 120
        while not loads.serves(http):
            if time.monotonic() > deadline:
                sys.exit(f"{name} does not serve its routes")
            time.sleep(0.1)
    return live


def measure(live, load, seconds, rounds):
    """For each proxy: user, system, p50, p99, the middle of the rounds; what failed; peak memory."""
    rows = {name: [] for name in live}
    failed = dict.fromkeys(live, 0)
    for name, it in live.items():
        load(it, 1)
    for _ in range(rounds):
        for name, it in live.items():
            before = it.program.cpu()
            done = load(it, seconds)
            after = it.program.cpu()
            user, system = ((b - a) / max(done.requests, 1) for a, b in zip(before, after))
            rows[name].append((user, system, done.p50, done.p99))
            failed[name] += done.failed
    return {name: (*map(statistics.median, zip(*rows[name])), failed[name], live[name].program.memory(True) / 1024)
            for name in live}


def table(title, names, rows):
    """Rows of (what, {name: (number, detail)}), with the ratio to each other proxy."""
    print(f"\n{title}\n")
    others = [name for name in names if name != "edgeway"]
    ratios = [f"of {name}" for name in others] if "edgeway" in names else []
    print("| " + " | ".join(["scenario", *names, *ratios]) + " |")
    print("|" + "---|" * (1 + len(names) + len(ratios)))
    for what, cells in rows:
        ours = cells.get("edgeway", (float("nan"), ""))[0]
        shown = [f"{cells[name][0]:.1f}{cells[name][1]}" for name in names]
        ratio = [f"{ours / cells[name][0]:.2f}" if cells[name][0] else "–" for name in others] if ratios else []
        print("| " + " | ".join([what, *shown, *ratio]) + " |", flush=True)


def report(results, names):
    timed = [(what, found) for what, found, kind in results if kind == "timed"]
    cost = lambda it: (it[0] + it[1], f" ({it[0]:.1f} + {it[1]:.1f})" + (f", {it[4]} failed" if it[4] else ""))
    views = [("CPU of a request, µs (user + system)", cost), ("p50, ms", lambda it: (it[2], "")),
             ("p99, ms", lambda it: (it[3], "")), ("peak memory so far, MiB", lambda it: (it[5], ""))]
    for title, view in views:
        if timed:
            table(title, names, [(what, {name: view(it) for name, it in found.items()}) for what, found in timed])
    held = [(what, {name: (it, "") for name, it in found.items()}) for what, found, kind in results if kind == "held"]
    if held:
        table("memory", names, held)


def main():
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--proxies", default=",".join(ALL))
    ask.add_argument("--scenarios", default=",".join(SCENARIOS))
    ask.add_argument("--seconds", type=int, default=5)
    ask.add_argument("--rounds", type=int, default=3)
    ask.add_argument("--hosts", type=int, default=100)
    ask.add_argument("--connections", type=int, default=2000, help="that are idle; half as many of HTTP/2")
    said = ask.parse_args()
    wanted, scenarios = said.proxies.split(","), said.scenarios.split(",")
    if strange := [*(set(wanted) - set(ALL)), *(set(scenarios) - set(SCENARIOS))]:
        sys.exit(f"there is no {', '.join(strange)}: proxies are {', '.join(ALL)}, scenarios {', '.join(SCENARIOS)}")
    needed = {"nginx", "openssl"} | ({"wrk"} if {*scenarios} & {"keepalive", "close", "tls", "large", *ROUTES} else set())
    needed |= {"h2load"} if {*scenarios} & {"h2", "grpc", "paced", "paced-tls"} else set()
    if missing := [name for name in sorted(needed) if not find(name)]:
        sys.exit(f"skipped: this machine has no {', '.join(missing)}; `deploy/setup bench` installs what can be had")
    results, names = [], []
    worlds = [[name for name in scenarios if name not in ROUTES], *([name] for name in scenarios if name in ROUTES)]
    for world in filter(None, worlds):
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="peers", ignore_cleanup_errors=True))
            live = start(stack, folder, wanted, ROUTES.get(world[0], 0), said.hosts)
            if not names:
                names = list(live)
                for name in wanted:
                    if name not in live:
                        print(f"skipped: this machine has no {name}", flush=True)
            # Memory first: what was freed before would hide what connections take.
            for name in sorted(world, key=lambda name: name not in HELD):
                print(f"measuring {name}", file=sys.stderr, flush=True)
                if name in HELD:
                    what, load = HELD[name]
                    results.append((what, {it: load(live[it], said.connections) for it in live}, "held"))
                    continue
                what, load = TIMED.get(name) or (f"{ROUTES[name]} routes on the host", TIMED["keepalive"][1])
                results.append((what, measure(live, load, said.seconds, said.rounds), "timed"))
    report(results, names)


main()
