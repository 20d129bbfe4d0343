"""What the ALB controller costs AWS: calls by API, time, processor and memory, beside what the AWS Load Balancer
Controller was measured to cost for the same objects.

  alb.py [--groups N] [--members N] [--endpoint URL --vpc ID] [--bin DIR] [--published]

AWS is `edgeway local-alb`, or what answers at --endpoint. Each group is a load balancer; each member of it is an
Ingress with one host and two paths, and a Service with two endpoints."""
import argparse
import collections
import os
import statistics
import sys
import tempfile
import time

from front import Front, changes
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
    "cold start, CPU s": 5,
    "peak memory, MiB": 60,
    "through a gateway: cold start, calls": 700,
    "through a gateway: restart, calls": 120,
    "through a gateway: a path added, calls": 0,
    "through a gateway: an endpoint changed, calls": 0,
}
# Tokens at once and a second, as AWS publishes them.
BUCKETS = {"all": (40, 10.0), "write": (20, 3.0), "heavy": (10, 0.2), "registration": (20, 4.0)}

CLASS = """apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: alb}
spec: {controller: ingress.k8s.aws/alb}
"""


def endpoints(group, member, count, place):
    """The EndpointSlice of a member, and its pods."""
    number = group * 20 + member
    listed = ", ".join(f"{{addresses: [{place[0]}.{100 + number // 250}.{number % 250}.{n + 1}], conditions: {{ready: true}}, "
                       f"targetRef: {{kind: Pod, name: s{member}-{n}}}}}" for n in range(count))
    pods = "".join(f"""---
apiVersion: v1
kind: Pod
metadata: {{name: s{member}-{n}, namespace: bg{group:02}}}
status: {{phase: Running, conditions: [{{type: ContainersReady, status: 'True'}}, {{type: Ready, status: 'True'}}]}}
""" for n in range(count))
    return f"""apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: s{member}-1, namespace: bg{group:02}, labels: {{kubernetes.io/service-name: s{member}}}}}
addressType: IPv4
ports: [{{port: {place[1]}}}]
endpoints: [{listed}]
{pods}"""


# The same where the class names a gateway, and that gateway.
THIN = CLASS.replace("{name: alb}", "{name: alb, annotations: {edgeway.dev/gateway: edge/gateway}}") + """---
apiVersion: v1
kind: Service
metadata: {name: gateway, namespace: edge}
spec: {type: ClusterIP, clusterIP: 10.0.0.8, ports: [{port: 80, targetPort: 8080}]}
"""


def gateway(place):
    """The EndpointSlice of a gateway with two pods, and these."""
    listed = ", ".join(f"{{addresses: [{place[0]}.90.0.{n + 1}], conditions: {{ready: true}}, "
                       f"targetRef: {{kind: Pod, name: gateway-{n}}}}}" for n in range(2))
    pods = "".join(f"""---
apiVersion: v1
kind: Pod
metadata: {{name: gateway-{n}, namespace: edge}}
status: {{phase: Running, conditions: [{{type: ContainersReady, status: 'True'}}, {{type: Ready, status: 'True'}}]}}
""" for n in range(2))
    return f"""apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: gateway-1, namespace: edge, labels: {{kubernetes.io/service-name: gateway}}}}
addressType: IPv4
ports: [{{port: {place[1]}}}]
endpoints: [{listed}]
{pods}"""


def member(group, number, paths=("/a", "/b"), note=""):
    """An Ingress and its Service."""
    listed = "\n".join(f"      - {{path: {path}, pathType: Prefix, backend: {{service: {{name: s{number}, "
                       "port: {number: 80}}}}" for path in paths)
    return f"""apiVersion: v1
kind: Service
metadata: {{name: s{number}, namespace: bg{group:02}}}
spec: {{type: ClusterIP, clusterIP: 10.0.0.9, ports: [{{port: 80, targetPort: 8080}}]}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: i{number:02}
  namespace: bg{group:02}
  annotations:
    alb.ingress.kubernetes.io/group.name: g{group:02}
    alb.ingress.kubernetes.io/group.order: '{number}'
    alb.ingress.kubernetes.io/target-type: ip
    alb.ingress.kubernetes.io/scheme: internal
{note}spec:
  ingressClassName: alb
  rules:
  - host: h{number}.g{group}.example.com
    http:
      paths:
{listed}
"""


def put(folder, name, text):
    """Replaces a file at once; tells when."""
    new = os.path.join(folder, "." + name + ".new")
    with open(new, "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(new, os.path.join(folder, name))
    return time.monotonic()


def write(folder, groups, members, place):
    """All objects: a file for each member, and one for its endpoints."""
    put(folder, "class.yaml", CLASS)
    for group in range(groups):
        for number in range(members):
            put(folder, f"g{group:02}-{number:02}.yaml", member(group, number))
            put(folder, f"g{group:02}-{number:02}-endpoints.yaml", endpoints(group, number, 2, place))


class Bench:
    """Objects, AWS, and the controller between them."""

    def __init__(self, options, groups, members, folder, is_thin=False):
        self.options, self.groups, self.members = options, groups, members
        self.folder = folder
        self.objects, self.kept = os.path.join(folder, "objects"), os.path.join(folder, "kept")
        os.mkdir(self.objects)
        # What stands in for AWS elsewhere asks no target. The one here does, and somebody answers.
        self.place, self.running = (10, 8080), []
        if options.endpoint is None:
            self.place = (127, free_port())
            command = [sys.executable, os.path.join(os.path.dirname(__file__), "answer.py"), str(self.place[1])]
            self.running.append(Program("answer", command, folder, [self.place[1]]).__enter__())
        write(self.objects, groups, members, self.place)
        if is_thin:
            put(self.objects, "class.yaml", THIN)
            put(self.objects, "gateway-endpoints.yaml", gateway(self.place))
        endpoint, self.vpc = options.endpoint, options.vpc
        if endpoint is None:
            port = free_port()
            place = ["--api", f"127.0.0.1:{port}", "--port-offset", str(20000 + port % 20000), "--log", "error"]
            command = [self.program("edgeway"), "local-alb", *place]
            self.running.append(Program("local-alb", command, folder, [port]).__enter__())
            endpoint, self.vpc = f"http://127.0.0.1:{port}", "vpc-10ca1a1b"
        self.front = Front(endpoint)
        os.environ.update(AWS_ACCESS_KEY_ID="AKIAFAKE", AWS_SECRET_ACCESS_KEY="fake",
                          AWS_EC2_METADATA_DISABLED="true")

    def program(self, name):
        """The program to try."""
        return os.path.join(os.path.abspath(self.options.bin), name)

    def start(self, *more):
        """Starts the controller; returns when, too."""
        port, at = free_port(), time.monotonic()
        command = [self.program("edgeway-alb-controller"), "--source", f"files:{self.objects}",
                   "--cluster-name", "bench", "--vpc-id", self.vpc, "--region", self.options.region,
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
        """Stops what was started beside the controller."""
        for program in self.running:
            program.__exit__()


def table(title, calls):
    """Prints calls by API."""
    counts = collections.Counter(name for _, name, _ in calls)
    refused = collections.Counter(name for _, name, no in calls if no)
    print(f"\n{title}")
    for name, count in counts.most_common():
        print(f"  {name:40} {count:6}" + (f"  ({refused[name]} refused)" if refused[name] else ""))
    print(f"  {'all':40} {sum(counts.values()):6}")


def cold(bench, found, title):
    """From nothing to everything."""
    controller, at = bench.start("--resync", "0")
    bench.front.quiet(0, 5, 3000, only_changes=True)
    calls = list(bench.front.calls)
    last = max(when for when, name, _ in calls if changes(name))
    user, system = controller.cpu()
    found["cold start, calls"] = len(calls)
    found["cold start, s"] = round(last - at, 1)
    found["cold start, CPU s"] = round((user + system) / 1e6, 2)
    found["peak memory, MiB"] = round(controller.memory(peak=True) / 1024, 1)
    table(title, calls)
    # Until its targets are known to be well: what is not known would be asked for after a restart.
    bench.front.quiet(0, 20, 900)
    return controller


def restart(bench, found, title):
    """Starts again where nothing has changed."""
    mark = bench.mark()
    controller, _ = bench.start("--resync", "0")
    bench.front.quiet(mark, 5, 300)
    found["restart, calls"] = len(bench.front.since(mark))
    table(title, bench.front.since(mark))
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
    table("a path added", bench.front.since(mark))
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
    put(bench.objects, f"g{group:02}-06.yaml", member(group, 6, note=bad))
    time.sleep(2)
    put(bench.objects, f"g{group:02}-04.yaml", member(group, 4, ("/a", "/more", "/b")))
    done = bench.wait_changes(mark, 1)
    others = any("CreateRule" in call[1] for call in done)
    found["a member made invalid"] = "others deployed" if others else "others blocked"
    table("a member made invalid, another changed", bench.front.since(mark))


def idle(bench, found, seconds=60):
    """Nothing changes, and drift is looked for all the time."""
    controller, _ = bench.start("--resync", "1")
    time.sleep(10)
    mark = bench.mark()
    time.sleep(seconds)
    calls = bench.front.since(mark)
    found["60 s without change, calls"] = len(calls)
    found["60 s without change, changing calls"] = sum(changes(call[1]) for call in calls)
    table(f"{seconds} s without change", calls)
    controller.__exit__()


def thin(options, found):
    """The same objects, where their class names a gateway."""
    with tempfile.TemporaryDirectory() as folder:
        bench, own = Bench(options, options.groups, options.members, folder, True), {}
        controller = cold(bench, own, f"through a gateway: cold start, {options.groups} x {options.members}")
        controller.__exit__()
        controller = restart(bench, own, "through a gateway: restart")
        mark = bench.mark()
        put(bench.objects, "g00-01.yaml", member(0, 1, ("/a", "/more", "/b")))
        time.sleep(5)
        own["a path added, calls"] = len(bench.front.since(mark))
        mark = bench.mark()
        put(bench.objects, "g00-01-endpoints.yaml", endpoints(0, 1, 3, bench.place))
        time.sleep(5)
        own["an endpoint changed, calls"] = len(bench.front.since(mark))
        controller.__exit__()
        bench.end()
    found.update({f"through a gateway: {name}": value for name, value in own.items()})


def refused(options, found):
    """5 groups of 20 where AWS refuses three of ten calls that change something."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, 5, 20, folder)
        bench.front.refused_share = 0.3
        controller, at = bench.start("--resync", "0")
        bench.front.quiet(0, 5, 600, only_changes=True)
        last = max(when for when, name, no in bench.front.calls if changes(name) and not no)
        found["5 x 20, 30 % refused, s"] = round(last - at, 1)
        table("5 x 20, three of ten changing calls refused", bench.front.calls)
        controller.__exit__()
        bench.end()


def published(options, found):
    """A cold start that keeps to the rates that AWS publishes."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, options.groups, options.members, folder)
        controller, at = bench.start("--resync", "0", "--aws-rates", "published")
        bench.front.quiet(0, 20, 4000, only_changes=True)
        last = max(when for when, name, _ in bench.front.calls if changes(name))
        found["with AWS's published rates, s"] = round(last - at, 1)
        found["the rates' own limit, s"] = round(limit(bench.front.calls), 1)
        controller.__exit__()
        bench.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--groups", type=int, default=50)
    parser.add_argument("--members", type=int, default=20)
    parser.add_argument("--endpoint", help="what answers like AWS; empty at the start [default: edgeway local-alb]")
    parser.add_argument("--vpc", help="the VPC there")
    parser.add_argument("--region", default="us-west-2")
    parser.add_argument("--bin", default="target/release", help="the folder of the programs")
    parser.add_argument("--published", action="store_true", help="try AWS's published rates as well: 20 minutes")
    options = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, options.groups, options.members, folder)
        controller = cold(bench, found, f"cold start, {options.groups} x {options.members}")
        controller.__exit__()
        controller = restart(bench, found, "restart")
        changed(bench, found)
        controller.__exit__()
        idle(bench, found)
        bench.end()
    if options.endpoint is None:
        thin(options, found)
        refused(options, found)
        if options.published:
            published(options, found)
    print(f"\n{'':42} {'theirs':>14} {'goal':>8} {'ours':>16}")
    for name, value in found.items():
        print(f"{name:42} {THEIRS.get(name, ''):>14} {GOALS.get(name, ''):>8} {value:>16}")


if __name__ == "__main__":
    main()
