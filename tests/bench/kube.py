"""What a gateway needs for a large cluster: time and memory until it is ready, and how long a change takes until
requests see it.

  kube.py [--services N] [--changes N] [--bin DIR]

The API server is the one that tests use (`./deploy/setup test` builds it). Each Service has two EndpointSlices and a
VirtualService. A change is timed from the moment that it is sent, and from the moment that a watch of our own tells of
it: what is left then is the gateway's."""
import argparse
import http.client
import json
import os
import socket
import ssl
import statistics
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from machine import Program, free_port

ISTIO = "/apis/networking.istio.io/v1"
SLICES = "/apis/discovery.k8s.io/v1"
PATCH = {"PATCH": "application/merge-patch+json"}
KINDS = [("Gateway", "gateways"), ("VirtualService", "virtualservices"), ("DestinationRule", "destinationrules"),
         ("ServiceEntry", "serviceentries"), ("WorkloadEntry", "workloadentries")]


class Api:
    """The API server, asked by its administrator; a connection for each thread."""

    def __init__(self, folder):
        with open(os.path.join(folder, "token"), encoding="ascii") as token:
            self.token = token.read().strip()
        with open(os.path.join(folder, "port"), encoding="ascii") as port:
            self.port = int(port.read())
        self.local = threading.local()

    def connect(self):
        context = ssl.create_default_context()
        # It is ours, on this machine, and its certificate is made anew each time.
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=60)

    def ask(self, method, path, body=None):
        """The answer, read as JSON where it is; whoever is told to slow down tries again."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": PATCH.get(method, "application/json")}
        for _ in range(20):
            if not hasattr(self.local, "connection"):
                self.local.connection = self.connect()
            self.local.connection.request(method, path, body and json.dumps(body), headers)
            answer = self.local.connection.getresponse()
            text = answer.read()
            if answer.status == 429:
                time.sleep(0.2)
                continue
            if answer.status >= 400:
                raise SystemExit(f"{method} {path}: {answer.status} {text[:300]!r}")
            return text
        raise SystemExit(f"{method} {path}: the API server takes no more")

    def watch(self, path, seen):
        """Calls `seen` with each event that comes from now on, in a thread."""
        answer = json.loads(self.ask("GET", path + "?limit=1"))
        version = answer["metadata"]["resourceVersion"]
        connection = self.connect()
        connection.request("GET", f"{path}?watch=1&resourceVersion={version}",
                           headers={"Authorization": f"Bearer {self.token}"})
        lines = connection.getresponse()

        def read():
            for line in lines:
                seen(json.loads(line)["object"])

        threading.Thread(target=read, daemon=True).start()


def control_plane(folder):
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    program = os.path.join(root, "target", "tools", "cluster")
    if not os.access(program, os.X_OK):
        raise SystemExit(f"there is no {program}: ./deploy/setup test builds it")
    return Program("cluster", [program, "control-plane", folder], folder, [])


def ready(api):
    end = time.monotonic() + 90
    while time.monotonic() < end:
        try:
            api.ask("GET", "/readyz")
            api.ask("GET", "/api/v1/namespaces/default")
            return
        except (OSError, SystemExit, http.client.HTTPException):
            api.local = threading.local()
            time.sleep(0.2)
    raise SystemExit("the API server does not come up")


def install_kinds(api):
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"type": "object", "properties": {"spec": anything, "status": anything}}
    for kind, plural in KINDS:
        version = {"name": "v1", "served": True, "storage": True, "subresources": {"status": {}},
                   "schema": {"openAPIV3Schema": schema}}
        names = {"kind": kind, "plural": plural, "singular": kind.lower()}
        api.ask("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.networking.istio.io"},
            "spec": {"group": "networking.istio.io", "scope": "Namespaced", "names": names, "versions": [version]}})
    for _, plural in KINDS:
        while True:
            try:
                api.ask("GET", f"{ISTIO}/{plural}?limit=1")
                break
            except SystemExit:
                time.sleep(0.1)


def istio(kind, name, spec):
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def route(at, version):
    """The `http` of a VirtualService; each answer tells its version."""
    headers = {"response": {"set": {"x-version": str(version)}}}
    return [{"headers": headers, "route": [{"destination": {"host": f"s{at}", "port": {"number": 80}}}]}]


def ports(name, port):
    return [{"name": name, "port": port, "protocol": "TCP"}]


def own_address():
    """Of this machine: endpoints may not be in the loopback network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        # Nothing is sent.
        probe.connect(("192.0.2.1", 9))
        return probe.getsockname()[0]


def fill(api, count, backend):
    """Services s0, s1, …, their slices and VirtualServices."""
    def make(at):
        api.ask("POST", "/api/v1/namespaces/default/services", {
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": f"s{at}"},
            "spec": {"clusterIP": "None", "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}})
        for part in range(2):
            # The second is of a port that the Service does not have.
            name = "http" if part == 0 else "other"
            api.ask("POST", f"{SLICES}/namespaces/default/endpointslices", {
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
                "metadata": {"name": f"s{at}-{part}", "labels": {"kubernetes.io/service-name": f"s{at}"}},
                "ports": ports(name, backend.ports[0]),
                "endpoints": [{"addresses": [backend.address], "conditions": {"ready": True}}]})
        spec = {"hosts": [f"h{at}.test"], "gateways": ["gw"], "http": route(at, 0)}
        api.ask("POST", f"{ISTIO}/namespaces/default/virtualservices", istio("VirtualService", f"v{at}", spec))

    servers = [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}]
    api.ask("POST", f"{ISTIO}/namespaces/default/gateways",
            istio("Gateway", "gw", {"selector": {"istio": "ingressgateway"}, "servers": servers}))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, range(count)))


class Backend:
    """Answers with the port that it was reached at; it has two."""

    def __init__(self):
        self.address, self.ports = own_address(), []
        for _ in range(2):
            listener = socket.create_server((self.address, 0))
            self.ports.append(listener.getsockname()[1])
            threading.Thread(target=self.accept, args=(listener, self.ports[-1]), daemon=True).start()

    def accept(self, listener, port):
        while True:
            threading.Thread(target=self.serve, args=(listener.accept()[0], str(port)), daemon=True).start()

    @staticmethod
    def serve(stream, port):
        answer = f"HTTP/1.1 200 OK\r\ncontent-length: {len(port)}\r\n\r\n{port}".encode()
        while stream.recv(65536):
            stream.sendall(answer)


class Gateway:
    """The gateway under test, and one connection to it."""

    def __init__(self, binary, folder):
        self.port, self.status, metrics, admin = (free_port() for _ in range(4))
        offset = self.port - 80
        self.command = [binary, "--source", "kube", "--kubeconfig", os.path.join(folder, "kubeconfig"),
                        "--bind", "127.0.0.1", "--port-offset", str(offset), "--status-port", str(self.status),
                        "--metrics-port", str(metrics), "--admin-port", str(admin), "--drain-seconds", "0"]
        self.folder, self.client = folder, None

    def start(self):
        """The program, and how many seconds it took until it was ready."""
        begun = time.monotonic()
        program = Program("gateway", self.command, self.folder, [])
        while time.monotonic() < begun + 120:
            try:
                client = http.client.HTTPConnection("127.0.0.1", self.status, timeout=5)
                client.request("GET", "/healthz/ready")
                if client.getresponse().status == 200:
                    return program, time.monotonic() - begun
            except OSError:
                pass
            time.sleep(0.02)
        raise SystemExit(f"the gateway is not ready after two minutes: see {program.log}")

    def ask(self, at):
        """The version and the endpoint's port that a request meets."""
        if self.client is None:
            self.client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        self.client.request("GET", "/", headers={"Host": f"h{at}.test"})
        answer = self.client.getresponse()
        return answer.getheader("x-version"), answer.read().decode()


def change(api, gateway, told, what):
    """Seconds until a change is seen: from when it was sent, and from when a watch told of it."""
    path, body, name, at, wanted = what
    event = told[name] = threading.Event()
    sent = time.monotonic()
    sender = threading.Thread(target=api.ask, args=("PATCH", path, body))
    sender.start()
    while wanted not in gateway.ask(at):
        if time.monotonic() > sent + 30:
            raise SystemExit(f"{name}: {wanted} is not seen after 30 s, but {gateway.ask(at)}")
    seen = time.monotonic()
    sender.join()
    event.wait(10)
    return seen - sent, max(0.0, seen - event.at)


def changes(api, gateway, backend, counts):
    (count, services), told = counts, {}

    def note(thing):
        event = told.get(thing["metadata"]["name"])
        if event and not event.is_set():
            event.at = time.monotonic()
            event.set()

    api.watch(f"{ISTIO}/virtualservices", note)
    api.watch(f"{SLICES}/endpointslices", note)
    times = {"VirtualService": [], "EndpointSlice": []}
    for turn in range(1, count + 1):
        at = turn * 7919 % services
        path = f"{ISTIO}/namespaces/default/virtualservices/v{at}"
        what = (path, {"spec": {"http": route(at, turn)}}, f"v{at}", at, str(turn))
        times["VirtualService"].append(change(api, gateway, told, what))
        path = f"{SLICES}/namespaces/default/endpointslices/s{at}-0"
        port = backend.ports[1]
        what = (path, {"ports": ports("http", port)}, f"s{at}-0", at, str(port))
        times["EndpointSlice"].append(change(api, gateway, told, what))
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--services", type=int, default=5000)
    parser.add_argument("--changes", type=int, default=200, help="of each kind; fewer than services")
    parser.add_argument("--bin", default=os.path.join(os.path.dirname(__file__), "..", "..", "target", "release"))
    asked = parser.parse_args()
    binary = os.path.abspath(os.path.join(asked.bin, "edgeway-gateway"))
    with tempfile.TemporaryDirectory() as folder, control_plane(folder):
        while not all(os.path.exists(os.path.join(folder, name)) for name in ("port", "token", "kubeconfig")):
            time.sleep(0.1)
        api, backend = Api(folder), Backend()
        ready(api)
        install_kinds(api)
        begun = time.monotonic()
        fill(api, asked.services, backend)
        print(f"{asked.services} Services, {asked.services * 2} EndpointSlices, {asked.services} VirtualServices "
              f"made in {time.monotonic() - begun:.0f} s", flush=True)
        gateway = Gateway(binary, folder)
        program, took = gateway.start()
        with program:
            user, system = program.cpu()
            print(f"ready after {took:.1f} s (goal 15), {(user + system) / 1e6:.1f} s of CPU, "
                  f"{program.memory(peak=True) / 1024:.0f} MiB at the peak, {program.memory() / 1024:.0f} MiB after it")
            counts = (asked.changes, asked.services)
            for kind, times in changes(api, gateway, backend, counts).items():
                for what, seconds in zip(("with the API server and the watch", "in the gateway"), zip(*times)):
                    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
                    print(f"{kind} changed, until it is served, {what}: "
                          f"p50 {cuts[49] * 1e3:.1f} ms, p99 {cuts[98] * 1e3:.1f} ms")


if __name__ == "__main__":
    main()
