"""What the ALB controller costs AWS: calls by API, time, processor and memory, beside what the AWS Load Balancer
Controller was measured to cost for the same objects.

  alb.py [--groups N] [--members N] [--aws PROGRAM | --endpoint URL --vpc ID] [--bin DIR] [--published]

AWS is `edgeway local-alb`, or what answers at --endpoint. With --aws everything is measured a second time, against a
Python program that is started as `PROGRAM PORT WORLD.yaml`, answers like AWS and counts calls at `/_ctl/count`; where
the two were called differently, that is told. Each group is a load balancer; each member of it is an Ingress with one
host and two paths, and a Service with two endpoints."""
import argparse
import collections
import os
import statistics
import sys
import tempfile
import time

from clouds import cloud
from front import Front, changes
from ingresses import THIN, endpoints, gateway, member, put, write
from machine import Program, free_port

# What the other controller was measured to cost: 50 groups of 20, unless it says otherwise.
THEIRS = {
    "cold start, calls": "7962",
    "cold start, s": "249",
    "restart, calls": "1858",
    "a path added, calls": "54-75",
    "an endpoint changed, calls": "5",
    "an endpoint changed, ms to the call": "38",
    "5 x 20, 30 % refused, s": "119",
    "a member made invalid": "others blocked",
    "60 s without change, calls": "0",
    "60 s without change, changing calls": "0",
    "60 s without change, drift not looked for, calls": "0",
    "cold start, CPU s": "20.3",
    "peak memory, MiB": "126",
}
GOALS = {
    "cold start, calls": 4500,
    "restart, calls": 250,
    "a path added, calls": 4,
    "an endpoint changed, calls": 1,
    "an endpoint changed, ms to the call": 20,
    "5 x 20, 30 % refused, s": 20,
    "60 s without change, calls": 60,
    "60 s without change, changing calls": 0,
    "60 s without change, drift not looked for, calls": 0,
    "cold start, CPU s": 5,
    "peak memory, MiB": 60,
    "through a gateway: cold start, calls": 700,
    "through a gateway: restart, calls": 120,
    "through a gateway: a path added, calls": 0,
    "through a gateway: an endpoint changed, calls": 0,
    "through a gateway: 60 s without change, calls": 60,
    "through a gateway: 60 s without change, changing calls": 0,
    "through a gateway: 60 s without change, drift not looked for, calls": 0,
}
# Tokens at once and a second, as AWS publishes them.
BUCKETS = {"all": (40, 10.0), "write": (20, 3.0), "heavy": (10, 0.2), "registration": (20, 4.0)}
# How many seconds nothing changes.
IDLE = 60


class Report:
    """What was measured against one AWS."""

    def __init__(self, prefix=""):
        self.prefix, self.figures, self.calls = prefix, {}, {}

    def __setitem__(self, name, value):
        self.figures[self.prefix + name] = value

    def table(self, title, calls):
        """Prints calls by API, and keeps how many there were of each."""
        title = self.prefix + title
        counts = collections.Counter(name for _, name, _ in calls)
        refused = collections.Counter(name for _, name, no in calls if no)
        print(f"\n{title}")
        for name, count in counts.most_common():
            print(f"  {name:40} {count:6}" + (f"  ({refused[name]} refused)" if refused[name] else ""))
        print(f"  {'all':40} {sum(counts.values()):6}", flush=True)
        self.calls[title] = counts

    def add(self, other):
        """Takes in what another one has found."""
        self.figures.update(other.figures)
        self.calls.update(other.calls)


class Bench:
    """Objects, AWS, and the controller between them."""

    def __init__(self, options, simulated, size, folder, is_thin=False):
        self.options, (self.groups, self.members) = options, size
        self.folder = folder
        self.objects, self.kept = os.path.join(folder, "objects"), os.path.join(folder, "kept")
        os.mkdir(self.objects)
        self.cloud = cloud(options, folder, simulated)
        self.place = self.cloud.place
        write(self.objects, self.groups, self.members, self.place)
        if is_thin:
            put(self.objects, "class.yaml", THIN)
            put(self.objects, "gateway-endpoints.yaml", gateway(self.place))
        self.front = Front(self.cloud.url)
        os.environ.update(AWS_ACCESS_KEY_ID="AKIAFAKE", AWS_SECRET_ACCESS_KEY="fake",
                          AWS_EC2_METADATA_DISABLED="true")

    def program(self, name):
        """The program to try."""
        return os.path.join(os.path.abspath(self.options.bin), name)

    def start(self, *more):
        """Starts the controller; returns when, too."""
        port, at = free_port(), time.monotonic()
        command = [self.program("edgeway-alb-controller"), "--source", f"files:{self.objects}",
                   "--cluster-name", "bench", "--vpc-id", self.cloud.vpc, "--region", self.cloud.region,
                   "--endpoint-url", self.front.url, "--controller", "ingress.k8s.aws/alb",
                   "--last-good-dir", self.kept, "--metrics", f"127.0.0.1:{port}", *more]
        return Program("controller", command, self.folder, [port]).__enter__(), at

    def mark(self):
        """A place in the list of calls."""
        return len(self.front.calls)

    def wait_changes(self, mark, count, limit=60):
        """Waits for so many calls that change something."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            found = [call for call in self.front.since(mark) if changes(call[1])]
            if len(found) >= count:
                return found
            time.sleep(0.001)
        raise SystemExit(f"no change was made within {limit} s")

    def end(self):
        """Stops what was started beside the controller, once AWS agrees about how often it was called."""
        counted, passed = self.cloud.counted(), sum(1 for _, _, refused in self.front.calls if not refused)
        if counted is not None and counted != passed:
            print(f"\n{self.cloud.name} counted {counted} calls, not {passed}")
        self.cloud.end()


def cold(bench, found):
    """From nothing to everything, and then nothing for a while."""
    controller, at = bench.start("--resync", "0")
    bench.front.quiet(0, 10, 3000, only_changes=True)
    calls = list(bench.front.calls)
    last = max(when for when, name, _ in calls if changes(name))
    user, system = controller.cpu()
    found["cold start, calls"] = len(calls)
    found["cold start, s"] = round(last - at, 1)
    found["cold start, CPU s"] = round((user + system) / 1e6, 2)
    found["peak memory, MiB"] = round(controller.memory(peak=True) / 1024, 1)
    found.table(f"cold start, {bench.groups} x {bench.members}", calls)
    # Until its targets are known to be well: what is not known would be asked for after a restart.
    bench.front.quiet(0, 20, 900)
    mark = bench.mark()
    time.sleep(IDLE)
    found[f"{IDLE} s without change, drift not looked for, calls"] = len(bench.front.since(mark))
    return controller


def restart(bench, found):
    """Starts again where nothing has changed."""
    mark = bench.mark()
    controller, _ = bench.start("--resync", "0")
    bench.front.quiet(mark, 5, 300)
    found["restart, calls"] = len(bench.front.since(mark))
    found.table("restart", bench.front.since(mark))
    return controller


def limit(calls):
    """How long these calls take at least where AWS's published allowances are kept."""
    def family(name):
        operation = name.split(" ")[1]
        if operation in ("CreateLoadBalancer", "SetSubnets"):
            return "heavy"
        if operation in ("RegisterTargets", "DeregisterTargets"):
            return "registration"
        return "write" if changes(name) else None

    balancing = [name for _, name, _ in calls if name.startswith("ELBv2 ")]
    counts = collections.Counter(family(name) for name in balancing)
    counts["all"] = len(balancing)
    return max((counts[kind] - burst) / rate for kind, (burst, rate) in BUCKETS.items())


def changed(bench, found):
    """One thing at a time, in the middle of group 1."""
    group, number = min(1, bench.groups - 1), min(11, bench.members - 1)
    name = f"g{group:02}-{number:02}"
    mark = bench.mark()
    put(bench.objects, f"{name}.yaml", member(group, number, ("/a", "/more", "/b")))
    bench.wait_changes(mark, 1)
    time.sleep(3)
    found["a path added, calls"] = len(bench.front.since(mark))
    found.table("a path added", bench.front.since(mark))
    times, counts = [], []
    for count in (3, 2, 3, 2, 3):
        mark = bench.mark()
        at = put(bench.objects, f"{name}-endpoints.yaml", endpoints(group, number, count, bench.place))
        done = bench.wait_changes(mark, 1)
        times.append((done[0][0] - at) * 1e3)
        time.sleep(2)
        counts.append(sum(1 for call in bench.front.since(mark) if "Describe" not in call[1] or count == 3))
    found["an endpoint changed, calls"] = statistics.median(counts)
    found["an endpoint changed, ms to the call"] = round(statistics.median(times), 1)
    mark = bench.mark()
    bad = "    alb.ingress.kubernetes.io/healthcheck-interval-seconds: ten\n"
    put(bench.objects, f"g{group:02}-{number - 1:02}.yaml", member(group, number - 1, note=bad))
    time.sleep(2)
    put(bench.objects, f"g{group:02}-{number - 2:02}.yaml", member(group, number - 2, ("/a", "/more", "/b")))
    done = bench.wait_changes(mark, 1)
    others = any("CreateRule" in call[1] for call in done)
    found["a member made invalid"] = "others deployed" if others else "others blocked"
    found.table("a member made invalid, another changed", bench.front.since(mark))


def idle(bench, found):
    """Nothing changes, and drift is looked for all the time."""
    mark = bench.mark()
    controller, _ = bench.start("--resync", "1")
    bench.front.calm(mark, found.figures[found.prefix + "restart, calls"], 300)
    mark = bench.mark()
    time.sleep(IDLE)
    calls = bench.front.since(mark)
    found[f"{IDLE} s without change, calls"] = len(calls)
    found[f"{IDLE} s without change, changing calls"] = sum(changes(call[1]) for call in calls)
    found.table(f"{IDLE} s without change", calls)
    controller.__exit__()


def compatible(options, simulated):
    """As the other controller does it: rules and target groups for all that Ingresses say."""
    found = Report()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, simulated, (options.groups, options.members), folder)
        cold(bench, found).__exit__()
        controller = restart(bench, found)
        changed(bench, found)
        controller.__exit__()
        idle(bench, found)
        bench.end()
    return found


def thin(options, simulated):
    """The same objects, where their class names a gateway."""
    found = Report("through a gateway: ")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, simulated, (options.groups, options.members), folder, True)
        cold(bench, found).__exit__()
        controller = restart(bench, found)
        mark = bench.mark()
        put(bench.objects, "g00-01.yaml", member(0, 1, ("/a", "/more", "/b")))
        time.sleep(5)
        found["a path added, calls"] = len(bench.front.since(mark))
        mark = bench.mark()
        put(bench.objects, "g00-01-endpoints.yaml", endpoints(0, 1, 3, bench.place))
        time.sleep(5)
        found["an endpoint changed, calls"] = len(bench.front.since(mark))
        controller.__exit__()
        idle(bench, found)
        bench.end()
    return found


def refused(options, simulated):
    """5 groups of 20 where AWS refuses three of ten calls that change something."""
    found = Report()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, simulated, (5, 20), folder)
        bench.front.refused_share = 0.3
        controller, at = bench.start("--resync", "0")
        bench.front.quiet(0, 5, 600, only_changes=True)
        last = max(when for when, name, no in bench.front.calls if changes(name) and not no)
        found["5 x 20, 30 % refused, s"] = round(last - at, 1)
        found.table("5 x 20, three of ten changing calls refused", bench.front.calls)
        controller.__exit__()
        bench.end()
    return found


def published(options, simulated):
    """A cold start that keeps to the rates that AWS publishes."""
    found = Report()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, simulated, (options.groups, options.members), folder)
        controller, at = bench.start("--resync", "0", "--aws-rates", "published")
        bench.front.quiet(0, 20, 4000, only_changes=True)
        last = max(when for when, name, _ in bench.front.calls if changes(name))
        found["with AWS's published rates, s"] = round(last - at, 1)
        found["the rates' own limit, s"] = round(limit(bench.front.calls), 1)
        controller.__exit__()
        bench.end()
    return found


def measure(options, simulated):
    """Everything against one AWS."""
    found = compatible(options, simulated)
    if options.endpoint is None:
        found.add(thin(options, simulated))
        found.add(refused(options, simulated))
        if options.published:
            found.add(published(options, simulated))
    return found


def differences(ours, theirs, name):
    """Tells of calls that were made more often to one AWS than to the other."""
    # Which calls are refused is left to chance, and to who answers first.
    for title in (title for title in ours.calls if "refused" not in title):
        a, b = ours.calls[title], theirs.calls[title]
        different = sorted(call for call in a | b if a[call] != b[call])
        if different:
            print(f"\n{title}: calls to local-alb, and to {name}")
        for call in different:
            print(f"  {call:40} {a[call]:6} {b[call]:6}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--groups", type=int, default=50)
    parser.add_argument("--members", type=int, default=20)
    parser.add_argument("--aws", metavar="PROGRAM", help="a Python program that answers like AWS, to compare with")
    parser.add_argument("--endpoint", help="what answers like AWS; empty at the start [default: edgeway local-alb]")
    parser.add_argument("--vpc", help="the VPC there")
    parser.add_argument("--region", default="us-west-2")
    parser.add_argument("--bin", default="target/release", help="the folder of the programs")
    parser.add_argument("--published", action="store_true", help="try AWS's published rates as well: 20 minutes")
    options = parser.parse_args()
    if options.aws and options.endpoint:
        parser.error("--aws starts an AWS, --endpoint names one that runs")
    found = {"ours": measure(options, False)}
    if options.aws:
        name = os.path.basename(options.aws)
        print(f"\nThe same against {name}")
        found[name] = measure(options, True)
        differences(*found.values(), name)
    print(f"\n{'':68} {'theirs':>14} {'goal':>5}" + "".join(f" {name:>15}" for name in found))
    for name in next(iter(found.values())).figures:
        values = "".join(f" {report.figures[name]:>15}" for report in found.values())
        print(f"{name:68} {THEIRS.get(name, ''):>14} {GOALS.get(name, ''):>5}{values}")


if __name__ == "__main__":
    main()
