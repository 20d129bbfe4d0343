"""What answers like AWS in the ALB controller's benchmark, started anew for each measurement."""
import json
import os
import sys
import urllib.request

from machine import Program, free_port

REGION = "us-west-2"
VPC = "vpc-0b0b0b0b0b0b0b0b0"


def world():
    """The account before the benchmark, in the form that a program of `--aws` reads: a network, and nothing in it."""
    subnets = [{"id": f"subnet-0b000000000000{zone}", "az": f"{REGION}{zone}", "cidr": f"10.0.{number * 16}.0/20",
                "tags": {"kubernetes.io/role/internal-elb": "1", "kubernetes.io/role/elb": "1"}}
               for number, zone in enumerate("abc")]
    return {"account": "123456789012", "region": REGION, "clusterName": "bench",
            "vpc": {"id": VPC, "cidr": "10.0.0.0/16", "defaultSecurityGroup": "sg-0b000000000000000"},
            "subnets": subnets, "securityGroups": [], "prefixLists": [], "instances": [], "certificates": [],
            "webACLs": [], "trustStores": [], "targetGroups": [],
            "quotas": {"rulesPerLoadBalancer": 100, "conditionValuesPerRule": 5, "extraCertificatesPerLoadBalancer": 25}}


class Endpoint:
    """Somebody's AWS, which is not ours to start."""

    name = "--endpoint"

    def __init__(self, options):
        self.url, self.vpc, self.region = options.endpoint, options.vpc, options.region
        # It asks no target whether it is well.
        self.place, self.running = (10, 8080), []

    def counted(self):
        """How many calls it has counted itself, if it tells."""
        return None

    def end(self):
        """Stops what was started for it."""
        for program in self.running:
            program.__exit__()


class LocalAlb(Endpoint):
    """`edgeway local-alb`, and somebody who answers where it asks targets whether they are well."""

    name = "local-alb"

    def __init__(self, options, folder):
        super().__init__(options)
        self.vpc, self.place = "vpc-10ca1a1b", (127, free_port())
        answer = [sys.executable, os.path.join(os.path.dirname(__file__), "answer.py"), str(self.place[1])]
        self.running.append(Program("answer", answer, folder, [self.place[1]]).__enter__())
        port = free_port()
        program = os.path.join(os.path.abspath(options.bin), "edgeway")
        command = [program, "local-alb", "--api", f"127.0.0.1:{port}", "--port-offset", str(20000 + port % 20000),
                   "--log", "error"]
        self.running.append(Program("local-alb", command, folder, [port]).__enter__())
        self.url = f"http://127.0.0.1:{port}"


class Simulator(Endpoint):
    """A Python program that answers like AWS, `PROGRAM PORT WORLD.yaml`, and is told things at `/_ctl/`."""

    def __init__(self, options, folder):
        super().__init__(options)
        self.name = os.path.basename(options.aws)
        self.vpc, self.region = VPC, REGION
        file = os.path.join(folder, "world.yaml")
        with open(file, "w", encoding="utf-8") as text:
            json.dump(world(), text)  # JSON is YAML
        port = free_port()
        command = [sys.executable, os.path.abspath(options.aws), str(port), file]
        self.running.append(Program("aws", command, folder, [port]).__enter__())
        self.url = f"http://127.0.0.1:{port}"

    def counted(self):
        request = urllib.request.Request(f"{self.url}/_ctl/count", b"{}")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())["n"]


def cloud(options, folder, simulated):
    """The AWS that the options ask for."""
    if options.endpoint is not None:
        return Endpoint(options)
    return Simulator(options, folder) if simulated else LocalAlb(options, folder)
